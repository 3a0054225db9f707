// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

internal import ApusCodec

/// A client's opening handshake that keeps every rule of RFC 6455 §4.2.1.
///
/// The application decides: ``acceptance(protocol:extensions:cookies:fields:)`` or a ``Refusal``.
public struct UpgradeRequest: Equatable, Sendable {
    /// The request as received.
    public let head: RequestHead

    /// The subprotocols in the client's order of preference and in its case; all different.
    public var requestedProtocols: [String] {
        head.elements(of: .protocols).map { String(decoding: $0, as: UTF8.self) }
    }

    /// The extensions in the client's order of preference.
    public var requestedExtensions: [RequestedExtension] {
        head.lines(of: .extensions).flatMap(ExtensionParser.offers)
    }

    /// The value of Sec-WebSocket-Key: 24 characters of base64.
    public var key: String { head.firstValue(of: .key) ?? "" }

    /// Host and port as the client wrote them.
    public var host: String { head.host }

    /// The value of Origin; browsers always send one, others need not, RFC 6455 §10.2.
    public var origin: String? { head.firstValue(of: .origin) }

    /// The pairs of the Cookie fields, read at each call.
    public var cookies: [Cookie] { head.cookies }

    /// The path of the target, neither decoded nor normalised.
    public var path: String { head.path }

    /// What follows the first question mark of the target; nil without one.
    public var query: String? { head.query }

    /// The bytes of the 101 response, RFC 6455 §4.2.2 (5).
    ///
    /// The subprotocol has to be among ``requestedProtocols`` without regard to case and is sent in
    /// the client's case; nil selects none. `extensions` is the value of Sec-WebSocket-Extensions,
    /// as ``DeflatePreferences/answer(to:)`` makes it; nil: none is used. Each cookie becomes a
    /// Set-Cookie field; `fields` are added as they are. Throws, and nothing may be sent, where the
    /// client did not offer the subprotocol, two cookies are the same one, or a field is malformed
    /// or one that the handshake sets itself.
    public func acceptance(
        protocol selection: String? = nil,
        extensions: String? = nil,
        cookies: [SetCookie] = [],
        fields: [HeaderField] = []
    ) throws(HandshakeError) -> [UInt8] {
        guard let key = head.fieldLines.first(.key) else {
            preconditionFailure("a handshake without a key")
        }
        var response: [UInt8] = []
        response.reserveCapacity(256)
        response += Self.beginning
        response += AcceptKey.accept(for: key.span).utf8
        response += HTTPReply.lineEnd
        if let selection {
            guard let offer = offer(of: selection) else { throw .protocolNotOffered(selection) }
            HTTPReply.append(HeaderField("Sec-WebSocket-Protocol", offer), to: &response)
        }
        if let extensions {
            HTTPReply.append(HeaderField("Sec-WebSocket-Extensions", extensions), to: &response)
        }
        for (index, cookie) in cookies.enumerated() {
            guard !cookies[..<index].contains(where: cookie.isSameCookie) else {
                throw .cookieRepeated(cookie.name)
            }
            HTTPReply.append(cookie.field, to: &response)
        }
        for field in fields {
            try field.check(isReserved: Self.isReserved)
            HTTPReply.append(field, to: &response)
        }
        response += HTTPReply.lineEnd
        return response
    }

    /// What all responses have in common, up to the proof that we speak WebSocket.
    private static let beginning = Array(
        """
        HTTP/1.1 101 Switching Protocols\r
        Upgrade: websocket\r
        Connection: Upgrade\r
        Sec-WebSocket-Accept:\u{20}
        """.utf8
    )

    /// The client's spelling of a subprotocol, the very same one where it offers several; nil where
    /// it offers none that differs in case alone.
    package func offer(of selection: String) -> String? {
        let offers = head.elements(of: .protocols)
        if offers.contains(where: { $0.elementsEqual(selection.utf8) }) { return selection }
        return offers.first { $0.span.equalsIgnoringCase(selection.utf8.span) }
            .map { String(decoding: $0, as: UTF8.self) }
    }

    /// Fields that say how the connection goes on.
    private static func isReserved(_ name: String) -> Bool {
        switch name {
        case "upgrade", "connection", "content-length", "transfer-encoding": true
        default: name.hasPrefix("sec-websocket-")
        }
    }
}
