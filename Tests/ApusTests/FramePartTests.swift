// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusCodec
import ApusTestSupport
import Testing

@Suite struct FrameParts {
    /// What a connection got of its messages, put together by the rules of their parts.
    @WorkerActor
    private final class Receiver {
        var messages: [(kind: MessageKind, bytes: [UInt8])] = []
        var partCount = 0
        /// Payload bytes of each frame that was seen whole.
        var frames: [Int] = []
        var isOpen = false
        var code: CloseCode?
        private var frameByteCount = 0

        init(_ world: World, then: @escaping @WorkerActor (WebSocketConnection) -> Void = { _ in })
        {
            world.server.onRequest { [unowned self] request in
                let connection = try request.accept()
                connection.onMessage { _ in Issue.record("a message was put together") }
                connection.onFrame { [unowned self, unowned connection] part in
                    take(part)
                    then(connection)
                }
                connection.onClose { [unowned self] code, _ in self.code = code }
            }
        }

        private func take(_ part: borrowing WebSocketFramePart) {
            let (isFirst, isLast) = (part.isFirst, part.isLast)
            let (count, remaining) = (part.byteCount, part.remainingByteCount)
            #expect(isFirst != isOpen)
            #expect(count > 0 || isLast)
            let bytes = part.bytes
            part.withBytes { span in #expect(span.count == bytes.count) }
            partCount += 1
            if isFirst { messages.append((part.kind, [])) }
            messages[messages.count - 1].bytes += bytes
            frameByteCount += count
            if remaining == 0 {
                frames.append(frameByteCount)
                frameByteCount = 0
            }
            isOpen = !isLast
        }
    }

    @Test(arguments: [7, 100, 65536])
    func `parts come as they are received, and no message`(bufferByteCount: Int) throws {
        try inWorker {
            let world = World { $0.assembleFragments = false }
            let receiver = Receiver(world)
            let peer = try world.open()
            world.ring.bufferByteCount = bufferByteCount
            world.ring.bufferCountMax = 10_000
            let text = Array(String(repeating: "größe ", count: 300).utf8)
            peer.send(1, Array(text[..<999]), isFinal: false)
            peer.send(9, [1])
            peer.send(0, [], isFinal: false)
            peer.send(0, Array(text[999..<1000]), isFinal: false)
            try world.run { receiver.frames == [999, 1] }
            #expect(receiver.isOpen, "nothing waits for the message's end")
            peer.send(0, Array(text[1000...]))
            peer.send(2, [])
            peer.send(2, [1, 2, 3])
            try world.run { receiver.messages.count == 3 && !receiver.isOpen }
            #expect(receiver.messages.map(\.bytes) == [text, [], [1, 2, 3]])
            #expect(receiver.messages.map(\.kind) == [.text, .binary, .binary])
            #expect(receiver.frames == [999, 1, text.count - 1000, 0, 3])
            #expect(world.driver.counters.messagesReceived == 3)
            #expect(peer.frames.map(\.opcode) == [10])
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `memory is flat whatever a message's length`() throws {
        try inWorker {
            let world = World {
                $0.assembleFragments = false
                $0.maxReceivedFrameSize = 1 << 40
                $0.maxReceivedMessageSize = 1 << 40
            }
            var lentMax = 0
            var byteCount = 0
            world.server.onRequest { request in
                try request.accept().onFrame { part in
                    byteCount += part.byteCount
                    lentMax = max(lentMax, world.driver.messageBuffers.value.lentCount)
                }
            }
            let peer = try world.open()
            // The head of a frame of 32 MiB with a mask of zeros, then its payload bit by bit.
            let total = 32 << 20
            peer.write([0x82, 0xFF, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0])
            let piece = [UInt8](repeating: 0, count: 1 << 20)
            for sent in stride(from: 0, to: total, by: piece.count) {
                peer.write(piece)
                try world.run { byteCount == sent + piece.count }
                let connection = try #require(world.server.connections.first)
                #expect(!connection.isAssembling)
            }
            #expect(lentMax == 0)
            #expect(world.driver.counters.messagesReceived == 1)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `text is checked as it comes: the rest of a bad message is not delivered`() throws {
        try inWorker {
            let world = World { $0.assembleFragments = false }
            let receiver = Receiver(world)
            let peer = try world.open()
            peer.send(1, [0x61, 0xC3], isFinal: false)
            try world.run { receiver.partCount == 1 }
            peer.send(0, [0x28], isFinal: false)
            try world.run { peer.isOver }
            #expect(receiver.messages.map(\.bytes) == [[0x61, 0xC3]])
            #expect(receiver.code == .invalidPayload)
            #expect(peer.closeCode == 1007)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `order of frames and limits are checked as always`() throws {
        try inWorker {
            for (code, frames) in [
                (1002, [(0, 1)]), (1002, [(2, 1), (2, 1)]), (1009, [(2, 101)]),
                (1009, [(2, 100), (0, 100), (0, 1)]),
            ] as [(Int, [(UInt8, Int)])] {
                let world = World {
                    $0.assembleFragments = false
                    $0.maxReceivedFrameSize = 100
                    $0.maxReceivedMessageSize = 200
                }
                let receiver = Receiver(world)
                let peer = try world.open()
                for (opcode, count) in frames {
                    peer.send(opcode, Array(repeating: 1, count: count), isFinal: false)
                }
                try world.run { peer.isOver }
                #expect(peer.closeCode == code)
                #expect(Int(receiver.code?.rawValue ?? 0) == code)
                try world.drain()
                world.expectIdle()
            }
        }
    }

    @Test(arguments: 1...40 as ClosedRange<UInt64>)
    func `whatever the kernel does, parts come once and in order, with pauses too`(
        seed: UInt64
    ) throws {
        try inWorker {
            var faults = Faults.all
            faults.resets = 0
            faults.deafPeers = 0
            let world = World(seed: seed, faults: faults) { $0.assembleFragments = false }
            var random = SplitMix(seed: seed)
            let receiver = Receiver(world) { [unowned world] connection in
                guard random.chance(30) else { return }
                connection.pause()
                world.ring.after(1_000_000) {}
            }
            let peer = world.connect()
            var sent: [[UInt8]] = []
            peer.requestUpgrade()
            for number in 0..<random.upTo(20) {
                let bytes = (0..<random.upTo(300)).map { UInt8(truncatingIfNeeded: $0 + number) }
                let cut = random.upTo(bytes.count)
                sent.append(bytes)
                peer.send(2, Array(bytes[..<cut]), isFinal: false)
                peer.send(0, Array(bytes[cut...]))
            }
            peer.sendClose(4001)
            world.ring.isObserved = { receiver.code != nil }
            for _ in 0..<20_000 where receiver.code == nil {
                try world.turn()
                for connection in world.server.connections { connection.resume() }
            }
            world.ring.isObserved = { false }
            #expect(receiver.messages.map(\.bytes) == sent, "seed \(seed)")
            #expect(receiver.code?.rawValue == 4001, "seed \(seed)")
            world.ring.faults.descriptorShortages = 0
            try world.drain()
            world.expectIdle()
        }
    }
}
