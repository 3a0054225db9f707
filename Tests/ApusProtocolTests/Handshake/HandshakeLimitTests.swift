// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol
import ApusTestSupport
import Testing

@Suite struct `Handshake limits` {
    /// The number of field lines counts, whatever their names and wherever Upgrade stands.
    @Test(arguments: [false, true])
    func `a head has at most 100 fields`(upgradeIsLast: Bool) {
        var draft = HeadDraft.handshake
        let others = Array(repeating: "X: a", count: 100 - draft.fields.count)
        draft.fields = upgradeIsLast ? others + draft.fields : draft.fields + others
        #expect(HandshakeOutcome(sendHeadInEveryWay(draft.bytes)) == .upgrade)
        draft.fields.insert("X: a", at: 0)
        #expect(HandshakeOutcome(sendHeadInEveryWay(draft.bytes)) == .refused(.tooManyFields))
    }

    @Test func `a thousand fields of one name are too many`() {
        var draft = HeadDraft.ordinary
        draft.fields += Array(repeating: "X: a", count: 1_000)
        draft.fields += HeadDraft.handshake.fields
        #expect(HandshakeOutcome(sendHeadInEveryWay(draft.bytes)) == .refused(.tooManyFields))
    }

    @Test(arguments: [
        (8_192, HandshakeOutcome.request), (8_193, .refused(.targetTooLong)),
    ])
    func `a target has at most 8 KiB`(byteCount: Int, outcome: HandshakeOutcome) {
        let target = "/" + String(repeating: "a", count: byteCount - 1)
        let draft = HeadDraft.ordinary.requesting("GET \(target) HTTP/1.1")
        #expect(HandshakeOutcome(sendHeadInEveryWay(draft.bytes)) == outcome)
    }

    @Test(arguments: [
        (8_192, HandshakeOutcome.request), (8_193, .refused(.fieldLineTooLong)),
    ])
    func `a field line has at most 8 KiB`(byteCount: Int, outcome: HandshakeOutcome) {
        let value = HeadDraft.ordinary.adding("X: " + String(repeating: "a", count: byteCount - 3))
        #expect(HandshakeOutcome(sendHeadInEveryWay(value.bytes)) == outcome)
        let space = HeadDraft.ordinary.adding("X:" + String(repeating: " ", count: byteCount - 2))
        #expect(HandshakeOutcome(sendHeadInEveryWay(space.bytes)) == outcome)
        let name = HeadDraft.ordinary.adding(String(repeating: "X", count: byteCount - 1) + ":")
        #expect(HandshakeOutcome(sendHeadInEveryWay(name.bytes)) == outcome)
    }

    @Test(arguments: [
        (16_384, HandshakeOutcome.request), (16_385, .refused(.headTooLong)),
    ])
    func `a head has at most 16 KiB`(byteCount: Int, outcome: HandshakeOutcome) {
        let long = "X: " + String(repeating: "a", count: 7_000)
        let draft = HeadDraft.ordinary.adding(long, long)
        let rest = byteCount - draft.bytes.count - "Y: \r\n".utf8.count
        let full = draft.adding("Y: " + String(repeating: "b", count: rest))
        #expect(full.bytes.count == byteCount)
        #expect(HandshakeOutcome(sendHeadInEveryWay(full.bytes)) == outcome)
    }

    @Test func `other limits can be set`() {
        let limits = HandshakeLimits(
            headByteCountMax: 64,
            fieldCountMax: 2,
            targetByteCountMax: 4,
            fieldLineByteCountMax: 10
        )
        func outcome(_ target: String, _ fields: String...) -> HandshakeOutcome {
            let draft = HeadDraft(requestLine: "GET \(target) HTTP/1.1", fields: fields)
            return HandshakeOutcome(sendHeadInEveryWay(draft.bytes, limits: limits))
        }
        #expect(outcome("/abc", "Host: abcd", "X:") == .request)
        #expect(outcome("/abcd", "Host: abc") == .refused(.targetTooLong))
        #expect(outcome("/", "Host: abcde") == .refused(.fieldLineTooLong))
        #expect(outcome("/", "Host: abc", "X:", "Y:") == .refused(.tooManyFields))
        let empty = Array(repeating: UInt8(ascii: "a"), count: 65)
        #expect(HandshakeOutcome(sendHead(empty, limits: limits)) == .refused(.methodTooLong))
        let wide = HandshakeLimits(headByteCountMax: 20)
        #expect(
            HandshakeOutcome(sendHeadInEveryWay(HeadDraft.ordinary.bytes, limits: wide))
                == .refused(.headTooLong)
        )
    }

    @Test func `limits can be as good as none`() {
        let limits = HandshakeLimits(
            headByteCountMax: Int(Int32.max),
            fieldCountMax: .max,
            targetByteCountMax: .max,
            fieldLineByteCountMax: .max
        )
        var draft = HeadDraft.ordinary.adding("X: " + String(repeating: "a", count: 100_000))
        draft.fields += Array(repeating: "Y: b", count: 1_000)
        #expect(HandshakeOutcome(sendHead(draft.bytes, limits: limits)) == .request)
    }
}
