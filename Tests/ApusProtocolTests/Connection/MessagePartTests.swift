// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusProtocol
import ApusTestSupport
import Testing

@Suite struct `Message parts` {
    private static func part(
        _ range: Range<Int>,
        isFirst: Bool,
        isLast: Bool,
        remaining: Int = 0
    ) -> MessagePart {
        MessagePart(
            kind: .binary,
            payload: DecodedPayload(range),
            isFirst: isFirst,
            isLast: isLast,
            remainingByteCount: remaining
        )
    }

    @Test func `server names the whole message where it lies`() {
        let peer = WireBytes(to: .server)
        let endpoint = Endpoint(.server)
        endpoint.feed(peer.binary([1, 2, 3]) + peer.ping([9]) + peer.binary([]) + peer.binary([4]))
        #expect(
            endpoint.parts == [
                Self.part(6..<9, isFirst: true, isLast: true),
                Self.part(22..<22, isFirst: true, isLast: true),
                Self.part(28..<29, isFirst: true, isLast: true),
            ]
        )
    }

    @Test func `client names the whole message where it lies`() {
        let peer = WireBytes(to: .client)
        let endpoint = Endpoint(.client)
        endpoint.feed(peer.binary([1, 2, 3]) + peer.binary([UInt8](repeating: 5, count: 126)))
        #expect(
            endpoint.parts == [
                Self.part(2..<5, isFirst: true, isLast: true),
                Self.part(9..<135, isFirst: true, isLast: true),
            ]
        )
    }

    @Test func `server names each fragment and leaves out empty ones`() {
        let peer = WireBytes(to: .server)
        let endpoint = Endpoint(.server)
        endpoint.feed(
            peer.binary([], isFinal: false) + peer.continuation([1, 2], isFinal: false)
                + peer.continuation([], isFinal: false) + peer.continuation([3])
                + peer.binary([4], isFinal: false) + peer.continuation([])
        )
        #expect(
            endpoint.parts == [
                Self.part(12..<14, isFirst: true, isLast: false),
                Self.part(26..<27, isFirst: false, isLast: true),
                Self.part(33..<34, isFirst: true, isLast: false),
                Self.part(40..<40, isFirst: false, isLast: true),
            ]
        )
    }

    @Test(arguments: 1...9)
    func `server says how much of a cut frame is to come`(cut: Int) {
        let wire = WireBytes(to: .server).binary([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
        let endpoint = Endpoint(.server)
        endpoint.feed(wire[..<(6 + cut)])
        endpoint.feed(wire[(6 + cut)...])
        #expect(
            endpoint.parts == [
                Self.part(6..<(6 + cut), isFirst: true, isLast: false, remaining: 10 - cut),
                Self.part(0..<(10 - cut), isFirst: false, isLast: true),
            ]
        )
        #expect(endpoint.events == [.binary([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])])
    }

    @Test func `server brings no part before the first byte of a payload`() {
        let wire = WireBytes(to: .server).binary([1, 2])
        let endpoint = Endpoint(.server)
        endpoint.feed(wire[..<6])
        #expect(endpoint.parts.isEmpty)
    }

    /// The machine is started behind bytes that are not its own, as behind a handshake.
    @Test(.rfc6455("5.3"), arguments: [0, 1, 7, 64])
    func `server unmasks in place and leaves other bytes alone`(start: Int) {
        let peer = WireBytes(to: .server)
        let payload = (0..<70).map { UInt8($0) }
        let frame = peer.binary(payload)
        let tail = peer.binary([1, 2, 3]).prefix(5)
        let before = [UInt8](repeating: 0xEE, count: start)
        var buffer = before + frame + tail
        var machine = ConnectionStateMachine(
            role: .server,
            configuration: .limits(),
            openedAt: .zero
        )
        var batch = ReceivedBatch()
        var position = start
        var span = buffer.mutableSpan
        machine.receive(&span, from: &position, into: &batch, at: .zero)
        let first = machine.nextAction(of: &batch, in: span.span, at: .zero)
        let second = machine.nextAction(of: &batch, in: span.span, at: .zero)
        let range = (start + 6)..<(start + 76)
        #expect(first == .message(Self.part(range, isFirst: true, isLast: true)))
        #expect(second == nil)
        #expect(position == buffer.count)
        #expect(buffer == before + frame.prefix(6) + payload + tail)
    }

    @Test(arguments: [1, 3, 64])
    func `server goes on where the batch was full`(capacity: Int) {
        let peer = WireBytes(to: .server)
        let messages = (0..<20).map { [UInt8]("message \($0)".utf8) }
        let endpoint = Endpoint(.server, batchCapacity: capacity)
        endpoint.feed(messages.flatMap { peer.binary($0) })
        #expect(endpoint.events == messages.map { .binary($0) })
    }

    @Test func `server drops what follows in the batch when the application closes`() {
        let peer = WireBytes(to: .server)
        var buffer =
            peer.binary([1]) + peer.binary([2]) + peer.ping([3]) + peer.close(1000)
            + peer.binary([4])
        var machine = ConnectionStateMachine(
            role: .server,
            configuration: .limits(),
            openedAt: .zero
        )
        var batch = ReceivedBatch()
        var position = 0
        var span = buffer.mutableSpan
        machine.receive(&span, from: &position, into: &batch, at: .zero)
        let first = machine.nextAction(of: &batch, in: span.span, at: .zero)
        let isDue = machine.close(at: .zero)
        let second = machine.nextAction(of: &batch, in: span.span, at: .zero)
        let third = machine.nextAction(of: &batch, in: span.span, at: .zero)
        #expect(first == .message(Self.part(6..<7, isFirst: true, isLast: true)))
        #expect(isDue)
        #expect(second == .peerClosed(code: .normalClosure, reply: false))
        #expect(third == nil)
    }

    /// The name of the next action.
    private func next(
        of batch: inout ReceivedBatch,
        in bytes: Span<UInt8>,
        _ machine: inout ConnectionStateMachine
    ) -> String? {
        switch machine.nextAction(of: &batch, in: bytes, at: .zero) {
        case .message(let part): part.isLast ? "message" : "part"
        case .ping: "ping \(batch.controlPayload)"
        case .pong: "pong \(batch.controlPayload)"
        case .fail: "fail"
        case .peerClosed: "closed"
        case nil: nil
        }
    }

    @Test(arguments: 0...5)
    func `batch that is held goes on where it stopped, its violation last`(count: Int) throws {
        var machine = ConnectionStateMachine(
            role: .server,
            configuration: .limits(),
            openedAt: .zero
        )
        var batch = ReceivedBatch()
        let wire = WireBytes(to: .server)
        var bytes = wire.text("a") + wire.ping([1]) + wire.text("b") + wire.pong([2])
        bytes += wire.binary([3], isFinal: false) + [0xFF]
        var span = bytes.mutableSpan
        var position = 0
        machine.receive(&span, from: &position, into: &batch, at: .zero)
        let expected = ["message", "ping [1]", "message", "pong [2]", "part", "fail"]
        for action in expected.prefix(count) {
            let name = next(of: &batch, in: span.span, &machine)
            #expect(name == action)
        }
        batch.hold()
        batch.hold()
        let isHeld = batch.isHeld
        #expect(isHeld)
        let end = next(of: &batch, in: span.span, &machine)
        #expect(end == nil)
        batch.release()
        let isHeldStill = batch.isHeld
        #expect(!isHeldStill)
        for action in expected.dropFirst(count) {
            let name = next(of: &batch, in: span.span, &machine)
            #expect(name == action)
        }
        let name = next(of: &batch, in: span.span, &machine)
        #expect(name == nil)
    }
}
