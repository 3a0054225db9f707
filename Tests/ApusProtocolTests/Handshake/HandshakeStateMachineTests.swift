// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol
import ApusTestSupport
import Testing

@Suite struct `Handshake machine` {
    private let later = deadline.advanced(by: .seconds(1))

    private func machine() -> HandshakeStateMachine {
        HandshakeStateMachine(deadline: deadline)
    }

    /// A masked "Hello" (RFC 6455 §5.7) and the start of another frame behind the head.
    @Test(.rfc6455("4.2")) func `leaves the client's first frames to the caller`() {
        let head = Draft.handshake.bytes
        let frames: [UInt8] = [
            0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58, 0x81, 0xFE,
        ]
        guard case .upgrade(_, let consumed) = sendInEveryWay(head + frames) else {
            Issue.record("not accepted")
            return
        }
        #expect(consumed == head.count)
    }

    @Test func `leaves the body of a request to the caller`() {
        let head = Draft.ordinary.requesting("POST / HTTP/1.1").adding("Content-Length: 3").bytes
        guard case .request(_, let consumed) = sendInEveryWay(head + [0, 1, 2]) else {
            Issue.record("not a request")
            return
        }
        #expect(consumed == head.count)
    }

    @Test func `counts consumed bytes from the start of the last piece`() {
        let head = Draft.handshake.bytes
        var machine = machine()
        #expect(machine.received(head[..<100], at: start) == .needMoreBytes)
        let rest = Array(head[100...]) + [0x81]
        guard case .upgrade(let request, let consumed) = machine.received(rest, at: start)
        else {
            Issue.record("not accepted")
            return
        }
        #expect(consumed == head.count - 100)
        #expect(request.host == "server.example.com")
    }

    @Test func `ignores empty pieces`() {
        var machine = machine()
        #expect(machine.received([UInt8](), at: start) == .needMoreBytes)
        #expect(Outcome(machine.received(Draft.handshake.bytes, at: start)) == .upgrade)
    }

    @Test func `refuses with 408 at the deadline and not before`() {
        var machine = machine()
        let head = Draft.handshake.bytes
        #expect(machine.received(head.dropLast(), at: start) == .needMoreBytes)
        let before = Instant(nanoseconds: deadline.nanoseconds - 1)
        #expect(machine.timerFired(at: before) == .needMoreBytes)
        #expect(
            machine.timerFired(at: deadline) == .refuse(HandshakeViolation.deadlinePassed.refusal)
        )
        #expect(HandshakeViolation.deadlinePassed.refusal.status == 408)
        #expect(machine.timerFired(at: later) == .needMoreBytes)
        #expect(machine.received(head.suffix(1), at: later) == .needMoreBytes)
    }

    @Test func `bytes now and then do not move the deadline`() {
        var machine = machine()
        let head = Draft.handshake.bytes
        #expect(machine.received(head[..<1], at: start) == .needMoreBytes)
        #expect(
            machine.received(head[1..<2], at: deadline)
                == .refuse(HandshakeViolation.deadlinePassed.refusal)
        )
    }

    @Test func `takes a head whose end comes in time but is read late`() {
        var machine = machine()
        #expect(Outcome(machine.received(Draft.handshake.bytes, at: later)) == .upgrade)
    }

    @Test func `ignores everything after a decision`() {
        let head = Draft.handshake.bytes
        for bytes in [head, Draft.ordinary.bytes, [0]] {
            var machine = machine()
            #expect(machine.received(bytes, at: start) != .needMoreBytes)
            #expect(machine.received(head, at: start) == .needMoreBytes)
            #expect(machine.timerFired(at: later) == .needMoreBytes)
            machine.transportClosed()
        }
    }

    @Test func `ignores everything after the client is gone`() {
        var machine = machine()
        machine.transportClosed()
        #expect(machine.received(Draft.handshake.bytes, at: start) == .needMoreBytes)
        #expect(machine.timerFired(at: later) == .needMoreBytes)
    }
}
