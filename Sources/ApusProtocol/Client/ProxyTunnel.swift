// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// A tunnel through an HTTP proxy to a server, RFC 9110 §9.3.6, asked for before the handshake.
///
/// Send ``request`` over a connection to the proxy, then feed it what comes back, cut anywhere. Once
/// it is established, everything on the connection is the server's. RFC 6455 §4.1 (3).
public struct ProxyTunnel: ~Copyable {
    /// The bytes to send.
    public let request: [UInt8]

    private var reader: ResponseReader

    /// A request for a tunnel to the URL's host and port, to be answered until `deadline`.
    ///
    /// `fields` are sent as they are, Proxy-Authorization for instance. Throws where one of them is
    /// malformed or one that the request sets itself.
    public init(
        to url: WebSocketURL,
        fields: [HeaderField] = [],
        limits: HandshakeLimits = HandshakeLimits(),
        deadline: Instant
    ) throws(HandshakeError) {
        for field in fields {
            try field.check {
                $0 == "host" || $0 == "connection" || $0 == "content-length"
                    || $0 == "transfer-encoding"
            }
        }
        request = HTTPReply.head(
            startLine: "CONNECT \(url.authority) HTTP/1.1",
            fields: [HeaderField("Host", url.authority)] + fields
        )
        reader = ResponseReader(limits: limits, deadline: deadline)
    }

    /// Reads what the proxy sent next, up to the end of the response's head.
    public mutating func received(_ bytes: Span<UInt8>, at now: Instant) -> ProxyTunnelAction {
        Self.action(for: reader.received(bytes, at: now))
    }

    /// Fails once the deadline has come; earlier it changes nothing.
    public mutating func timerFired(at now: Instant) -> ProxyTunnelAction {
        Self.action(for: reader.timerFired(at: now))
    }

    /// The proxy will send no more; fails unless it was decided before.
    public mutating func transportClosed() -> ProxyTunnelAction {
        Self.action(for: reader.transportClosed())
    }

    private static func action(for outcome: ResponseReader.Outcome) -> ProxyTunnelAction {
        switch outcome {
        case .needMoreBytes: .needMoreBytes
        case .broken(let violation): .fail(violation)
        case .response(let head, let consumed):
            // Any 2xx; what frames a body in such a response is to be ignored, RFC 9110 §9.3.6.
            200..<300 ~= head.status
                ? .established(consumed: consumed) : .refused(head, consumed: consumed)
        }
    }
}

/// What the caller of a ``ProxyTunnel`` does next.
public enum ProxyTunnelAction: Equatable, Sendable {
    /// Nothing until more bytes come, or the deadline.
    case needMoreBytes

    /// Begin the handshake; `consumed` bytes of this call's span are the proxy's, the rest the server's.
    case established(consumed: Int)

    /// The proxy answered with another status; `consumed` bytes of this call's span are its head.
    case refused(ResponseHead, consumed: Int)

    /// The proxy broke a rule, did not answer in time or went away: end the connection.
    case fail(ClientHandshakeViolation)
}
