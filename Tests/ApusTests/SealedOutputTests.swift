// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusCodec
import ApusTestSupport
import Testing

@Suite struct `Output that is sealed` {
    /// A queue with its pool, and what a test asks of both.
    @safe
    private final class Bench {
        var pool = OutputPool()
        var queue = OutputQueue()

        var byteCount: Int { queue.byteCount }
        var isEmpty: Bool { queue.isEmpty }
        var lentCount: Int { pool.lentCount }

        func removeFirst(_ count: Int) {
            queue.removeFirst(count, to: &pool)
        }

        func removeOldestMessage() -> Bool {
            queue.removeOldestMessage(to: &pool)
        }

        func removeUnsealed() {
            queue.removeUnsealed(to: &pool)
        }

        func append(_ number: UInt8, byteCount: Int = 1) {
            let payload = Array(repeating: number, count: byteCount)
            let header = FrameHeader(opcode: .binary, payloadByteCount: UInt64(byteCount))
            unsafe payload.withUnsafeBytes { unsafe queue.append(header, $0, from: &pool) }
        }

        func appendPong() {
            let header = FrameHeader(opcode: .pong, payloadByteCount: 0)
            unsafe queue.appendPong(
                header,
                UnsafeRawBufferPointer(start: nil, count: 0),
                from: &pool
            )
        }

        func appendSealed(_ bytes: [UInt8]) {
            unsafe bytes.withUnsafeBytes { unsafe queue.appendSealed($0, from: &pool) }
        }

        /// Sends as a driver does: one part after the other; whether each was sealed.
        func drain() -> [(isSealed: Bool, bytes: [UInt8])] {
            var parts: [(Bool, [UInt8])] = []
            while !queue.isEmpty {
                parts.append((queue.isSealed, unsafe Array(queue.firstPart)))
                queue.removeFirst(unsafe queue.firstPart.count, to: &pool)
            }
            return parts
        }
    }

    @Test func `goes before frames, in its own order, and no frame joins it`() {
        let bench = Bench()
        bench.append(1)
        bench.appendSealed([100])
        bench.appendSealed([101, 102])
        bench.append(2)
        #expect(bench.byteCount == 9)
        let (isSealed, isContiguous) = (bench.queue.isSealed, bench.queue.isContiguous)
        #expect(isSealed && !isContiguous)
        let parts = bench.drain()
        #expect(parts.map(\.isSealed) == [true, false])
        #expect(parts.map(\.bytes) == [[100, 101, 102], [0x82, 1, 1, 0x82, 1, 2]])
        #expect(bench.lentCount == 0)
    }

    @Test func `is offered to the kernel without what is not encrypted`() {
        let bench = Bench()
        bench.appendSealed([100])
        bench.appendSealed([101])
        bench.append(1)
        let offered = unsafe withUnsafeTemporaryAllocation(
            of: UnsafeRawBufferPointer.self,
            capacity: 8
        ) { parts in
            unsafe parts.initialize(repeating: UnsafeRawBufferPointer(start: nil, count: 0))
            let count = unsafe bench.queue.fill(parts)
            return unsafe parts[..<count].map { unsafe Array($0) }
        }
        #expect(offered == [[100, 101]])
        _ = bench.drain()
    }

    @Test func `is never dropped, and a frame of which a part is encrypted is not either`() {
        let bench = Bench()
        bench.append(1, byteCount: 40_000)
        bench.append(2)
        // A part of the first frame is encrypted, and the kernel has not taken it.
        bench.removeFirst(20_000)
        bench.appendSealed(Array(repeating: 0, count: 20_022))
        #expect(bench.removeOldestMessage())
        #expect(!bench.removeOldestMessage())
        #expect(bench.byteCount == 20_022 + 40_004 - 20_000)
        _ = bench.drain()
    }

    @Test func `is not overtaken by a pong, nor is a frame that was begun`() {
        for isBegun in [false, true] {
            let bench = Bench()
            bench.append(1, byteCount: 40_000)
            bench.append(2, byteCount: 40_000)
            if isBegun { bench.removeFirst(100) }
            bench.appendSealed([100])
            bench.appendSealed([101])
            bench.appendPong()
            let parts = bench.drain().map(\.bytes)
            #expect(parts[0] == [100, 101])
            #expect(parts[isBegun ? 2 : 1] == [0x8A, 0])
        }
    }

    @Test func `stays when what can no longer be encrypted is removed`() {
        let bench = Bench()
        bench.append(1)
        bench.appendSealed([100, 101])
        bench.append(2, byteCount: 50_000)
        bench.appendPong()
        bench.removeUnsealed()
        #expect(bench.byteCount == 2)
        #expect(bench.drain().map(\.bytes) == [[100, 101]])
        bench.append(3)
        bench.removeUnsealed()
        #expect(bench.isEmpty)
        #expect(bench.lentCount == 0)
    }
}
