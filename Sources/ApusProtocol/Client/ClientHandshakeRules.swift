// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// What RFC 6455 §4.1 demands of the response to a handshake, one function per demand.
///
/// Each returns the rule that the head breaks, or nil. They are for a status of 101 alone.
enum ClientHandshakeRules {
    /// Applies the rules in a fixed order; the subprotocol that is in use where all are kept.
    static func judge(
        _ head: ResponseHead,
        accept: String,
        offered protocols: [String]
    ) -> Result<String?, ClientHandshakeViolation> {
        let violation =
            version(head) ?? upgrade(head) ?? connection(head)
            ?? self.accept(head, accept)
        if let violation { return .failure(violation) }
        return selection(head, among: protocols)
    }

    /// (1) It is HTTP/1.1: 1.0 knows no change of protocols, RFC 9110 §7.8.
    static func version(_ head: ResponseHead) -> ClientHandshakeViolation? {
        head.minorVersion >= 1 ? nil : .versionNotSupported
    }

    /// (2) Upgrade is `websocket` without regard to case, and nothing else.
    static func upgrade(_ head: ResponseHead) -> ClientHandshakeViolation? {
        guard head.hasField(.upgrade) else { return .upgradeMissing }
        let protocols = head.elements(of: .upgrade)
        let isWebSocket = protocols.allSatisfy { $0.equalsIgnoringCase("websocket".utf8) }
        return isWebSocket ? nil : .upgradeNotWebSocket
    }

    /// (3) Connection lists `Upgrade` without regard to case.
    static func connection(_ head: ResponseHead) -> ClientHandshakeViolation? {
        head.list(of: .connection, contains: "upgrade") ? nil : .connectionNotUpgrade
    }

    /// (4) Sec-WebSocket-Accept is there once and answers our key, in its very letters.
    static func accept(_ head: ResponseHead, _ accept: String) -> ClientHandshakeViolation? {
        switch head.occurrence(of: .accept) {
        case .never: .acceptMissing
        case .repeated: .acceptRepeated
        case .once(let value): value.elementsEqual(accept.utf8) ? nil : .acceptWrong
        }
    }

    /// (5) No extension is in use but permessage-deflate, where that was offered, and as it was.
    static func deflate(
        _ head: ResponseHead,
        offered offer: DeflateParameters?
    ) -> Result<DeflateAgreement?, ClientHandshakeViolation> {
        let lines = head.lines(of: .extensions).filter { !$0.isEmpty }
        guard !lines.isEmpty else { return .success(nil) }
        guard let offer else { return .failure(.extensionNotRequested) }
        guard lines.allSatisfy(ExtensionParser.isWellFormed) else {
            return .failure(.deflateAnswerInvalid)
        }
        let answers = lines.flatMap(ExtensionParser.offers)
        guard answers.allSatisfy(\.isDeflate) else { return .failure(.extensionNotRequested) }
        guard answers.count == 1, let agreement = offer.agreement(answeredWith: answers[0]) else {
            return .failure(.deflateAnswerInvalid)
        }
        return .success(agreement)
    }

    /// (6) The subprotocol is one of those offered, in its very letters, and there where any was.
    ///
    /// The RFC would let the server select none; browsers take that for a failure, and who offers
    /// subprotocols alone has nothing else to speak.
    static func selection(
        _ head: ResponseHead,
        among protocols: [String]
    ) -> Result<String?, ClientHandshakeViolation> {
        switch head.occurrence(of: .protocols) {
        case .never: protocols.isEmpty ? .success(nil) : .failure(.protocolMissing)
        case .repeated: .failure(.protocolRepeated)
        case .once(let value):
            protocols.first { value.elementsEqual($0.utf8) }.map { .success($0) }
                ?? .failure(.protocolNotRequested)
        }
    }
}
