// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

public import ApusProtocol
import ApusTLS
import CApusSystem
public import HTTPTypes

/// Why a client has no connection.
public enum ConnectFailure: Error, Hashable, Sendable {
    /// The name, the server's or the proxy's, has no address, or cannot be looked up for now.
    case nameNotFound(String)

    /// The system, or the last address of the server or proxy, refused with this error number.
    case refused(errno: Int32)

    /// The connection broke before the server had answered.
    case connectionLost

    /// The server answered with something that is no WebSocket handshake, or ended the connection.
    case invalidResponse(ClientHandshakeViolation)

    /// The server answered with another status than 101: the head of its response.
    case httpResponse(HTTPResponse)

    /// The proxy answered with another status than 2xx: the head of its response.
    case proxyResponse(HTTPResponse)

    /// The proxy answered with something that is no HTTP response, or ended the connection.
    case invalidProxyResponse(ClientHandshakeViolation)

    /// The server's certificate is not to be trusted, or is another host's: why, in a few words.
    case certificateRefused(String)

    /// There is no TLS with this server: why, in a few words.
    case tlsFailed(String)

    /// ``ClientConfiguration/handshakeTimeout`` was over first.
    case timedOut

    /// ``WebSocketClient/abort()`` was called.
    case aborted

    /// The worker was told to end.
    case shuttingDown
}

extension ConnectFailure: CustomStringConvertible {
    /// One sentence that says why.
    public var description: String {
        switch self {
        case .nameNotFound(let name): "The name \(name) has no address."
        case .refused(let errno): "Connecting failed: \(Self.text(of: errno))."
        case .connectionLost: "The connection broke before the server had answered."
        case .invalidResponse(let violation): "\(violation.reason) (\(violation.section))"
        case .httpResponse(let response):
            "The server answered with status \(response.status.code)."
        case .proxyResponse(let response):
            "The proxy answered with status \(response.status.code)."
        case .invalidProxyResponse(let violation):
            "The proxy's answer is refused. \(violation.reason) (\(violation.section))"
        case .certificateRefused(let reason): "The server's certificate is refused: \(reason)."
        case .tlsFailed(let reason): "TLS failed: \(reason)."
        case .timedOut: "The server had not answered in time."
        case .aborted: "The attempt was aborted."
        case .shuttingDown: "The worker is about to end."
        }
    }

    init(_ failure: TLSFailure) {
        self =
            failure.fault == .certificate
            ? .certificateRefused(failure.reason) : .tlsFailed(failure.description)
    }

    private static func text(of errno: Int32) -> String {
        unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 128) { text in
            guard let start = text.baseAddress else { return "" }
            unsafe apus_error_text(errno, start, text.count)
            return unsafe String(cString: start)
        }
    }
}
