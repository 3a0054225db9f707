// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

internal import ApusCodec

/// What RFC 6455 §4.2.1 demands of a client's handshake, one function per demand.
///
/// Each returns the rule that the head breaks, or nil. Where the RFC leaves a choice, the stricter
/// reading is taken: a request that two readers may understand differently is answered by neither.
enum HandshakeRules {
    /// What a well-formed head asks for.
    enum Verdict {
        case ordinary
        case upgrade(UpgradeRequest)
        case broken(HandshakeViolation)
    }

    /// Applies the rules in a fixed order, so that a request which breaks several has one answer.
    static func judge(_ head: RequestHead) -> Verdict {
        if let violation = target(head) ?? host(head) { return .broken(violation) }
        guard isHandshake(head) else {
            return (body(head) ?? expectation(head)).map(Verdict.broken) ?? .ordinary
        }
        let violation =
            method(head) ?? upgrade(head) ?? connection(head) ?? noBody(head)
            ?? version(head) ?? key(head) ?? origin(head) ?? protocols(head) ?? extensions(head)
        return violation.map(Verdict.broken) ?? .upgrade(UpgradeRequest(head: head))
    }

    /// Whether the request is a handshake, to be judged as one, or any other request.
    ///
    /// It is one if it has an Upgrade field, whatever that lists, or a Sec-WebSocket-Key or -Version,
    /// which no other request has: a proxy that drops the hop-by-hop fields leaves those standing.
    static func isHandshake(_ head: RequestHead) -> Bool {
        head.hasField(.upgrade) || head.hasField(.key)
            || head.hasField(.version)
    }

    /// (1) The method is GET; the HTTP version was checked with the request line.
    static func method(_ head: RequestHead) -> HandshakeViolation? {
        head.methodBytes.span.equals("GET") ? nil : .methodNotAllowed
    }

    /// (3) Upgrade lists `websocket` without regard to case; other protocols may stand beside it.
    ///
    /// RFC 9110 §7.8 would let us ignore an offer of `h2c` alone. It is refused: h2c passes through
    /// proxies to reach what they guard.
    static func upgrade(_ head: RequestHead) -> HandshakeViolation? {
        guard head.hasField(.upgrade) else { return .upgradeMissing }
        return head.list(of: .upgrade, contains: "websocket") ? nil : .upgradeNotWebSocket
    }

    /// (4) Connection lists `Upgrade` without regard to case, and not `close`.
    static func connection(_ head: RequestHead) -> HandshakeViolation? {
        guard head.list(of: .connection, contains: "upgrade") else { return .connectionNotUpgrade }
        return head.list(of: .connection, contains: "close") ? .connectionCloses : nil
    }

    /// A handshake has no body, so neither field that announces one.
    ///
    /// The bytes behind the head are frames to us and could be a body to a proxy.
    static func noBody(_ head: RequestHead) -> HandshakeViolation? {
        let announcesBody = head.hasField(.contentLength) || head.hasField(.transferEncoding)
        return announcesBody ? .bodyOnUpgrade : nil
    }

    /// (6) Sec-WebSocket-Version is there once and is 13, written so; others get 426 (§4.4).
    static func version(_ head: RequestHead) -> HandshakeViolation? {
        switch head.occurrence(of: .version) {
        case .never: .versionMissing
        case .repeated: .versionRepeated
        case .once(let version): version.span.equals("13") ? nil : .versionNotSupported
        }
    }

    /// (5) Sec-WebSocket-Key is there once (§11.3.1) and is the base64 of 16 bytes.
    static func key(_ head: RequestHead) -> HandshakeViolation? {
        switch head.occurrence(of: .key) {
        case .never: .keyMissing
        case .repeated: .keyRepeated
        case .once(let key): AcceptKey.isValid(key.span) ? nil : .keyInvalid
        }
    }

    /// (7) There is at most one Origin; whether it is welcome is for the application to say.
    static func origin(_ head: RequestHead) -> HandshakeViolation? {
        head.fieldLines.isRepeated(.origin) ? .originRepeated : nil
    }

    /// (8) Sec-WebSocket-Protocol is a list of tokens that are all different (§4.1 (10)).
    ///
    /// Empty elements are refused as well.
    static func protocols(_ head: RequestHead) -> HandshakeViolation? {
        guard head.hasField(.protocols) else { return nil }
        let elements = head.elements(of: .protocols)
        guard elements.allSatisfy(\.isToken) else { return .protocolsMalformed }
        let areDifferent = elements.count == 1 || Set(elements).count == elements.count
        return areDifferent ? nil : .protocolRepeated
    }

    /// (9) Sec-WebSocket-Extensions follows the grammar of §9.1, which says to fail otherwise.
    static func extensions(_ head: RequestHead) -> HandshakeViolation? {
        let areWellFormed = head.lines(of: .extensions).allSatisfy(ExtensionParser.isWellFormed)
        return areWellFormed ? nil : .extensionsMalformed
    }
}
