// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

internal import ApusCodec

/// A client's opening handshake that keeps every rule of RFC 6455 §4.2.1.
///
/// The application decides: ``acceptance(protocol:cookies:fields:)`` or a ``Refusal``.
public struct UpgradeRequest: Equatable, Sendable {
    /// The request as received.
    public let head: RequestHead

    /// The subprotocols in the client's order of preference and in its case; all different.
    public let requestedProtocols: [String]

    /// The extensions in the client's order of preference.
    public let requestedExtensions: [RequestedExtension]

    /// The value of Sec-WebSocket-Key: 24 characters of base64.
    public var key: String { head.firstValue(of: "Sec-WebSocket-Key") ?? "" }

    /// Host and port as the client wrote them.
    public var host: String { head.host }

    /// The value of Origin; browsers always send one, others need not, RFC 6455 §10.2.
    public var origin: String? { head.firstValue(of: "Origin") }

    /// The pairs of the Cookie fields, read at each call.
    public var cookies: [Cookie] { head.cookies }

    /// The path of the target, neither decoded nor normalised.
    public var path: String { head.path }

    /// What follows the first question mark of the target; nil without one.
    public var query: String? { head.query }

    /// The bytes of the 101 response, RFC 6455 §4.2.2 (5).
    ///
    /// The subprotocol has to be among ``requestedProtocols`` without regard to case and is sent in
    /// the client's case; nil selects none. Each cookie becomes a Set-Cookie field; `fields` are
    /// added as they are. Throws, and nothing may be sent, where the client did not offer the
    /// subprotocol, two cookies are the same one, or a field is malformed or one that the handshake
    /// sets itself.
    public func acceptance(
        protocol selection: String? = nil,
        cookies: [SetCookie] = [],
        fields: [HeaderField] = []
    ) throws(HandshakeError) -> [UInt8] {
        var own = [
            HeaderField("Upgrade", "websocket"),
            HeaderField("Connection", "Upgrade"),
            HeaderField("Sec-WebSocket-Accept", accept),
        ]
        if let selection {
            guard let offer = offer(of: selection) else { throw .protocolNotOffered(selection) }
            own.append(HeaderField("Sec-WebSocket-Protocol", offer))
        }
        for (index, cookie) in cookies.enumerated() {
            guard !cookies[..<index].contains(where: cookie.isSameCookie) else {
                throw .cookieRepeated(cookie.name)
            }
            own.append(cookie.field)
        }
        for field in fields {
            try field.check(isReserved: Self.isReserved)
        }
        return HTTPReply.head(status: 101, fields: own + fields)
    }

    private var accept: String {
        head.lines(of: "Sec-WebSocket-Key").first.map { AcceptKey.accept(for: $0.span) } ?? ""
    }

    /// The client's spelling of a subprotocol, the very same one where it offers several; nil where
    /// it offers none that differs in case alone.
    package func offer(of selection: String) -> String? {
        if requestedProtocols.contains(selection) { return selection }
        let bytes = Array(selection.utf8)
        return requestedProtocols.first { bytes.equalsIgnoringCase($0.utf8) }
    }

    /// Fields that say how the connection goes on.
    private static func isReserved(_ name: String) -> Bool {
        switch name {
        case "upgrade", "connection", "content-length", "transfer-encoding": true
        default: name.hasPrefix("sec-websocket-")
        }
    }
}
