// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusRing
import Glibc
import Testing

@Suite struct Receives {
    @Test(arguments: BufferMode.allCases, [1, 63, 64, 65, 128, 255, 256, 257, 1000, 100_000])
    func `bytes come whole and in order whatever the buffers' size`(
        mode: BufferMode,
        count: Int
    ) throws {
        let ring = try Ring(configuration: mode.tiny())
        let stream = try Stream(.tcp)
        let sent = pattern(count)
        var receiver = Receiver(stream.ours, on: ring)
        var offset = 0
        while receiver.bytes.count < count {
            offset += max(0, stream.peerSends(sent[offset...]))
            try receiver.run(on: ring, until: min(offset, receiver.bytes.count + 1))
        }
        stream.closePeer()
        try receiver.run(on: ring, until: .max)
        #expect(receiver.bytes == sent)
        #expect(receiver.pieces.allSatisfy { $0 <= 64 })
        #expect(receiver.endings.last == 0)
        #expect(ring.lentBufferCount == 0)
    }

    /// A header of some bytes meets every offset of a buffer, its end in between included.
    @Test(arguments: BufferMode.allCases, Array(1...64))
    func `message may be split at every buffer end`(mode: BufferMode, byteCount: Int) throws {
        let ring = try Ring(configuration: mode.tiny())
        let stream = try Stream()
        var receiver = Receiver(stream.ours, on: ring)
        for message in 1...65 {
            let bytes = pattern(byteCount, from: byteCount * (message - 1))
            #expect(stream.peerSends(bytes) == byteCount)
            try receiver.run(on: ring, until: byteCount * message)
        }
        #expect(receiver.bytes == pattern(byteCount * 65))
        #expect(ring.lentBufferCount == 0)
        let isSplit = receiver.pieces.contains { $0 < byteCount }
        #expect(isSplit == (mode == .incremental && 64 % byteCount != 0))
    }

    @Test(arguments: BufferMode.allCases)
    func `exhausted buffers end a receive once and lose nothing`(mode: BufferMode) throws {
        let ring = try Ring(configuration: mode.tiny())
        let stream = try Stream()
        let sent = pattern(1000)
        #expect(stream.peerSends(sent) == 1000)
        ring.receive(on: stream.ours, tag: .tag(.receive))

        var held: [Completion] = []
        while held.last?.hasMore != false {
            held += try ring.turn()
        }
        #expect(held.last.map { Outcome($0) } == Outcome(.receive, result: -ENOBUFS))
        #expect(ring.lentBufferCount == 4)
        #expect(try ring.wait(nanosecondsMax: 0) == 0)

        // Armed again without a buffer it ends again; with one it goes on.
        ring.receive(on: stream.ours, tag: .tag(.receive))
        #expect(try ring.outcomes(1) == [Outcome(.receive, result: -ENOBUFS)])
        var received: [UInt8] = []
        for completion in held {
            unsafe received.append(contentsOf: completion.bytes)
            ring.giveBack(completion)
        }
        #expect(received == Array(sent[..<256]))
        var receiver = Receiver(stream.ours, on: ring)
        try receiver.run(on: ring, until: 1000 - 256)
        #expect(receiver.bytes == Array(sent[256...]))
        #expect(ring.lentBufferCount == 0)
    }

    @Test func `piece that is held keeps its buffer while others come and go`() throws {
        let ring = try Ring(configuration: BufferMode.incremental.tiny())
        let stream = try Stream()
        ring.receive(on: stream.ours, tag: .tag(.receive))
        #expect(stream.peerSends(pattern(10)) == 10)
        let held = try #require(try ring.turn().first)
        #expect(held.hasMore)

        var total = 10
        for _ in 0..<500 {
            #expect(stream.peerSends(pattern(10, from: total)) == 10)
            var count = 0
            while count < 10 {
                for completion in try ring.turn() {
                    let came = unsafe Array(completion.bytes)
                    #expect(came == pattern(came.count, from: total + count))
                    count += came.count
                    ring.giveBack(completion)
                    if !completion.hasMore {
                        ring.receive(on: stream.ours, tag: .tag(.receive))
                    }
                }
            }
            total += 10
        }
        #expect(unsafe Array(held.bytes) == pattern(10))
        #expect(ring.lentBufferCount == 1)
        ring.giveBack(held)
        #expect(ring.lentBufferCount == 0)
    }

    /// A buffer that is given twice at an end, or never, shows in those that follow.
    @Test(arguments: BufferMode.allCases)
    func `ends of many streams leave the buffers whole`(mode: BufferMode) throws {
        let ring = try Ring(configuration: mode.tiny())
        for slot in UInt32(0)..<100 {
            let stream = try Stream(slot % 2 == 0 ? .unix : .tcp)
            var receiver = Receiver(stream.ours, slot: slot, on: ring)
            let sent = pattern(Int(slot % 7) * 30, from: Int(slot))
            #expect(stream.peerSends(sent) == sent.count)
            stream.closePeer()
            try receiver.run(on: ring, until: .max)
            #expect(receiver.bytes == sent)
            #expect(receiver.endings.last == 0)
        }
        #expect(ring.lentBufferCount == 0)
        // All four are the kernel's again: it can fill them all.
        let stream = try Stream()
        #expect(stream.peerSends(pattern(1000)) == 1000)
        ring.receive(on: stream.ours, tag: .tag(.receive))
        var held: [Completion] = []
        while held.last?.hasMore != false {
            held += try ring.turn()
        }
        #expect(ring.lentBufferCount >= 4)
    }

    @Test(arguments: BufferMode.allCases)
    func `thousand senders share four buffers and none is left out`(mode: BufferMode) throws {
        let ring = try Ring(configuration: mode.tiny())
        var streams: [(ours: Int32, peer: Int32)] = []
        defer {
            for stream in streams {
                close(stream.ours)
                close(stream.peer)
            }
        }
        for _ in 0..<1000 {
            var ends: [Int32] = [-1, -1]
            try #require(unsafe socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
            streams.append((ends[0], ends[1]))
        }
        let sent = (0..<1000).map { pattern(150, from: $0) }
        var receivers: [Receiver] = []
        for slot in 0..<1000 {
            receivers.append(Receiver(streams[slot].ours, slot: UInt32(slot), on: ring))
            try #require(unsafe send(streams[slot].peer, sent[slot], 150, 0) == 150)
        }
        var turns = 0
        while receivers.contains(where: { $0.bytes.count < 150 }) {
            turns += 1
            for completion in try ring.turn() {
                receivers[Int(completion.tag.slot)].take(completion, on: ring)
            }
        }
        #expect(receivers.map(\.bytes) == sent)
        #expect(ring.lentBufferCount == 0)
        // Each turn fills the four buffers, so that many are enough: nothing spins.
        #expect(turns <= 150_000 / 64)
    }

    /// The tail of the buffers' ring has 16 bits.
    @Test func `buffers go round more often than their ring can count`() throws {
        let ring = try Ring(configuration: BufferMode.plain.tiny())
        let stream = try Stream()
        var receiver = Receiver(stream.ours, on: ring)
        let chunk = pattern(128)
        var total = 0
        while receiver.pieces.count < 66_000 {
            #expect(stream.peerSends(chunk) == chunk.count)
            total += chunk.count
            try receiver.run(on: ring, until: total)
        }
        var isWhole = true
        for index in receiver.bytes.indices where receiver.bytes[index] != chunk[index % 128] {
            isWhole = false
        }
        #expect(isWhole)
        #expect(ring.lentBufferCount == 0)
    }

    @Test func `buffer given back twice stops the process`() async {
        await #expect(processExitsWith: .failure) {
            let ring = try Ring(configuration: BufferMode.plain.tiny())
            let stream = try Stream()
            ring.receive(on: stream.ours, tag: .tag(.receive))
            _ = stream.peerSends([1])
            let completion = try ring.turn()[0]
            ring.giveBack(completion)
            ring.giveBack(completion)
        }
    }
}
