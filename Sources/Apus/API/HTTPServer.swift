// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

public import HTTPTypes
import ApusProtocol
import Synchronization

/// A port, or a Unix socket, that HTTP/1.1 requests come to.
///
/// Upgrade requests go to the ``WebSocketServer`` that is mounted on it; ordinary ones to the
/// handler of ``onRequest(_:)``, and without one they get 426. Every answer to an ordinary request
/// closes its connection.
///
/// Set it up before ``WebSocketServer/run(workers:whenListening:)``; what is changed in a worker is
/// changed in that worker alone.
public final class HTTPServer: Sendable {
    /// Where a server listens.
    public enum Endpoint: Hashable, Sendable {
        /// A literal IPv4 or IPv6 address or a host name, and a port; 0: any free port.
        case tcp(host: String, port: UInt16)

        /// The path of a Unix socket, at most 107 bytes.
        case unix(path: String)
    }

    private struct State {
        var requestHandler: (@WorkerActor (HTTPRequest) throws -> HTTPAnswer)?
        var webSocketServer: WebSocketServer?
    }

    /// Where this server listens.
    public let endpoint: Endpoint

    private let state = Mutex(State())

    /// A server at that endpoint.
    public init(endpoint: Endpoint) {
        self.endpoint = endpoint
    }

    /// A server at a TCP port; port 0: any free one.
    public convenience init(host: String = "127.0.0.1", port: UInt16) {
        self.init(endpoint: .tcp(host: host, port: port))
    }

    /// A server at a Unix socket.
    public convenience init(unixPath: String) {
        self.init(endpoint: .unix(path: unixPath))
    }

    /// Answers ordinary requests: GET and HEAD; others are answered with 405 before it is asked.
    ///
    /// An error that the handler throws is answered with its own status (``HTTPStatusError``), or with
    /// 500, logged and counted.
    public func onRequest(_ handler: @escaping @WorkerActor (HTTPRequest) throws -> HTTPAnswer) {
        state.withLock { $0.requestHandler = handler }
    }

    var webSocketServer: WebSocketServer? {
        state.withLock { $0.webSocketServer }
    }

    /// Upgrade requests go to `server` from now on; false, and no change, if they go elsewhere.
    func attach(_ server: WebSocketServer) -> Bool {
        state.withLock { state in
            guard state.webSocketServer == nil || state.webSocketServer === server else {
                return false
            }
            state.webSocketServer = server
            return true
        }
    }

    func detach(_ server: WebSocketServer) {
        state.withLock { state in
            if state.webSocketServer === server { state.webSocketServer = nil }
        }
    }

    /// The whole response to an ordinary request, and what its handler threw.
    @WorkerActor
    func response(
        to head: RequestHead
    ) -> (bytes: [UInt8], handlerError: (any Error)?) {
        let method = head.method
        guard method == "GET" || method == "HEAD" else {
            return (Refusal.methodNotAllowed.bytes(), nil)
        }
        guard let handler = state.withLock({ $0.requestHandler }) else {
            return (Refusal.upgradeRequired.bytes(), nil)
        }
        do {
            let answer = try handler(HTTPRequest(head))
            let fields = answer.response.headerFields
                .filter { $0.name != .contentLength && $0.name != .connection }
                .map { HeaderField($0.name.rawName, $0.value) }
            let bytes = try HTTPReply.bytes(
                status: answer.response.status.code,
                fields: fields + [HeaderField("Connection", "close")],
                body: answer.body,
                isHeadOnly: method == "HEAD"
            )
            return (bytes, nil)
        } catch {
            return (Refusal.telling(error).bytes(), error)
        }
    }
}

/// The answer to an ordinary request.
public struct HTTPAnswer: Sendable {
    /// Status and fields; Content-Length and Connection are set by the server.
    public var response: HTTPResponse

    /// The body; the answer to a HEAD request leaves it out.
    public var body: [UInt8]

    /// An answer with a body of bytes.
    public init(_ response: HTTPResponse, body: [UInt8] = []) {
        self.response = response
        self.body = body
    }

    /// An answer with a text, by default `text/plain` in UTF-8.
    public init(
        status: HTTPResponse.Status,
        contentType: String = "text/plain; charset=utf-8",
        text: String
    ) {
        response = HTTPResponse(status: status, headerFields: [.contentType: contentType])
        body = Array(text.utf8)
    }
}

extension HTTPRequest {
    /// The head as the application sees it; fields whose names this type does not take are left out.
    init(_ head: RequestHead) {
        var fields = HTTPFields()
        for index in 0..<head.fieldCount {
            guard let name = HTTPField.Name(head.name(at: index)) else { continue }
            fields.append(HTTPField(name: name, value: head.value(at: index)))
        }
        self.init(
            method: Method(head.method) ?? .get,
            scheme: "http",
            authority: head.firstValue(of: "Host"),
            path: head.target,
            headerFields: fields
        )
    }
}

extension Refusal {
    static let methodNotAllowed = Refusal(
        fixed: 405,
        reason: "only GET and HEAD are served",
        fields: [HeaderField("Allow", "GET, HEAD")]
    )
    static let upgradeRequired = Refusal(
        fixed: 426,
        reason: "this is a WebSocket server",
        fields: [HeaderField("Upgrade", "websocket")]
    )
    static let originRefused = Refusal(
        fixed: 403,
        reason: "pages of this origin may not connect here"
    )
    static let internalError = Refusal(fixed: 500, reason: "internal error")
    static let noHandler = Refusal(
        fixed: 404,
        reason: "no handler is configured to accept the connection"
    )

    /// What a client is told of an error that a handler threw.
    static func telling(_ error: any Error) -> Refusal {
        guard let error = error as? any HTTPStatusError else { return .internalError }
        do {
            return try Refusal(status: error.status, reason: error.reason)
        } catch {
            return .internalError
        }
    }

    static func unavailable(reason: String) -> Refusal {
        Refusal(fixed: 503, reason: reason, fields: [HeaderField("Retry-After", "1")])
    }
}
