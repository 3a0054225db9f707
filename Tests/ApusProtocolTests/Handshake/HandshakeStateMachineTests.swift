// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol
import ApusTestSupport
import Testing

@Suite struct `Handshake machine` {
    private let later = handshakeDeadline.advanced(by: .seconds(1))

    private func machine() -> HandshakeStateMachine {
        HandshakeStateMachine(deadline: handshakeDeadline)
    }

    /// A masked "Hello" (RFC 6455 §5.7) and the start of another frame behind the head.
    @Test(.rfc6455("4.2")) func `leaves the client's first frames to the caller`() {
        let head = HeadDraft.handshake.bytes
        let frames: [UInt8] = [
            0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58, 0x81, 0xFE,
        ]
        guard case .upgrade(_, let consumed) = sendHeadInEveryWay(head + frames) else {
            Issue.record("not accepted")
            return
        }
        #expect(consumed == head.count)
    }

    @Test func `leaves the body of a request to the caller`() {
        let head = HeadDraft.ordinary.requesting("POST / HTTP/1.1").adding("Content-Length: 3")
            .bytes
        guard case .request(_, let consumed) = sendHeadInEveryWay(head + [0, 1, 2]) else {
            Issue.record("not a request")
            return
        }
        #expect(consumed == head.count)
    }

    @Test func `counts consumed bytes from the start of the last piece`() {
        let head = HeadDraft.handshake.bytes
        var machine = machine()
        #expect(machine.received(head[..<100], at: handshakeStart) == .needMoreBytes)
        let rest = Array(head[100...]) + [0x81]
        guard case .upgrade(let request, let consumed) = machine.received(rest, at: handshakeStart)
        else {
            Issue.record("not accepted")
            return
        }
        #expect(consumed == head.count - 100)
        #expect(request.host == "server.example.com")
    }

    @Test func `ignores empty pieces`() {
        var machine = machine()
        #expect(machine.received([UInt8](), at: handshakeStart) == .needMoreBytes)
        #expect(
            HandshakeOutcome(machine.received(HeadDraft.handshake.bytes, at: handshakeStart))
                == .upgrade
        )
    }

    @Test func `refuses with 408 at the deadline and not before`() {
        var machine = machine()
        let head = HeadDraft.handshake.bytes
        #expect(machine.received(head.dropLast(), at: handshakeStart) == .needMoreBytes)
        let before = Instant(nanoseconds: handshakeDeadline.nanoseconds - 1)
        #expect(machine.timerFired(at: before) == .needMoreBytes)
        #expect(
            machine.timerFired(at: handshakeDeadline)
                == .refuse(HandshakeViolation.deadlinePassed.refusal)
        )
        #expect(HandshakeViolation.deadlinePassed.refusal.status == 408)
        #expect(machine.timerFired(at: later) == .needMoreBytes)
        #expect(machine.received(head.suffix(1), at: later) == .needMoreBytes)
    }

    @Test func `bytes now and then do not move the deadline`() {
        var machine = machine()
        let head = HeadDraft.handshake.bytes
        #expect(machine.received(head[..<1], at: handshakeStart) == .needMoreBytes)
        #expect(
            machine.received(head[1..<2], at: handshakeDeadline)
                == .refuse(HandshakeViolation.deadlinePassed.refusal)
        )
    }

    @Test func `takes a head whose end comes in time but is read late`() {
        var machine = machine()
        #expect(
            HandshakeOutcome(machine.received(HeadDraft.handshake.bytes, at: later)) == .upgrade
        )
    }

    @Test func `ignores everything after a decision`() {
        let head = HeadDraft.handshake.bytes
        for bytes in [head, HeadDraft.ordinary.bytes, [0]] {
            var machine = machine()
            #expect(machine.received(bytes, at: handshakeStart) != .needMoreBytes)
            #expect(machine.received(head, at: handshakeStart) == .needMoreBytes)
            #expect(machine.timerFired(at: later) == .needMoreBytes)
            machine.transportClosed()
        }
    }

    @Test func `ignores everything after the client is gone`() {
        var machine = machine()
        machine.transportClosed()
        #expect(machine.received(HeadDraft.handshake.bytes, at: handshakeStart) == .needMoreBytes)
        #expect(machine.timerFired(at: later) == .needMoreBytes)
    }
}
