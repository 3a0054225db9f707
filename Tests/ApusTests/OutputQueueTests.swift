// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusCodec
import ApusTestSupport
import Testing

@Suite struct OutputQueues {
    /// What waits, read as the driver reads it.
    private func contents(_ queue: borrowing OutputQueue) -> [UInt8] {
        unsafe withUnsafeTemporaryAllocation(of: UnsafeRawBufferPointer.self, capacity: 1000) {
            parts in
            unsafe parts.initialize(repeating: UnsafeRawBufferPointer(start: nil, count: 0))
            let count = unsafe queue.fill(parts)
            var bytes: [UInt8] = []
            for index in 0..<count { unsafe bytes.append(contentsOf: parts[index]) }
            return bytes
        }
    }

    private func append(
        _ bytes: [UInt8],
        splitAt split: Int = 0,
        to queue: inout OutputQueue,
        _ pool: inout OutputPool
    ) {
        unsafe bytes.withUnsafeBytes { bytes in
            unsafe queue.append(
                UnsafeRawBufferPointer(rebasing: bytes[..<split]),
                UnsafeRawBufferPointer(rebasing: bytes[split...]),
                from: &pool
            )
        }
    }

    private func appendPong(
        _ bytes: [UInt8],
        to queue: inout OutputQueue,
        _ pool: inout OutputPool
    ) {
        let header = FrameHeader(opcode: .pong, payloadByteCount: UInt64(bytes.count))
        unsafe bytes.withUnsafeBytes { unsafe queue.appendPong(header, $0, from: &pool) }
    }

    /// A pong as it leaves.
    private func pong(_ bytes: [UInt8]) -> [UInt8] { [0x8A, UInt8(bytes.count)] + bytes }

    @Test(arguments: 1...30 as ClosedRange<UInt64>)
    func `bytes leave in the order in which they came`(seed: UInt64) {
        var random = SplitMix(seed: seed)
        var pool = OutputPool()
        var queue = OutputQueue()
        var oracle: [UInt8] = []
        for _ in 0..<200 {
            if random.chance(55) {
                let length = random.chance(10) ? random.upTo(40_000) : random.upTo(3000) - 1
                let bytes = (0..<length).map { _ in UInt8(truncatingIfNeeded: random.next()) }
                let split = length == 0 ? 0 : random.upTo(min(length, 14)) - 1
                append(bytes, splitAt: split, to: &queue, &pool)
                oracle += bytes
            } else {
                let count = oracle.isEmpty ? 0 : random.upTo(oracle.count)
                queue.removeFirst(count, to: &pool)
                oracle.removeFirst(count)
            }
            #expect(queue.byteCount == oracle.count, "seed \(seed)")
            #expect(contents(queue) == oracle, "seed \(seed)")
            #expect(queue.isEmpty == (pool.lentCount == 0), "seed \(seed)")
            #expect(unsafe oracle.starts(with: queue.firstPart), "seed \(seed)")
            #expect(unsafe queue.isContiguous == (queue.firstPart.count == oracle.count))
        }
        queue.removeAll(to: &pool)
        #expect(queue.byteCount == 0)
        #expect(pool.lentCount == 0)
    }

    @Test func `pong goes behind the chunk that is being sent, and the latest replaces it`() {
        var pool = OutputPool()
        var queue = OutputQueue()
        let first = [UInt8](repeating: 1, count: 20_000)
        let second = [UInt8](repeating: 2, count: 20_000)
        append(first, to: &queue, &pool)
        append(second, to: &queue, &pool)
        queue.removeFirst(500, to: &pool)
        appendPong([10, 10], to: &queue, &pool)
        appendPong([11, 11, 11], to: &queue, &pool)
        append([3], to: &queue, &pool)
        #expect(contents(queue) == Array(first[500...]) + pong([11, 11, 11]) + second + [3])
        // Once it is being sent it stays, and the next one gets a place of its own.
        queue.removeFirst(19_501, to: &pool)
        appendPong([12], to: &queue, &pool)
        #expect(contents(queue) == pong([11, 11, 11]).dropFirst() + pong([12]) + second + [3])
        queue.removeAll(to: &pool)
        #expect(pool.lentCount == 0)
    }

    @Test func `pong behind the only chunk keeps later frames behind itself`() {
        var pool = OutputPool()
        var queue = OutputQueue()
        append([1, 1, 1], to: &queue, &pool)
        appendPong([10], to: &queue, &pool)
        append([2], to: &queue, &pool)
        appendPong([11], to: &queue, &pool)
        #expect(contents(queue) == [1, 1, 1] + pong([11]) + [2])
        queue.removeFirst(3, to: &pool)
        appendPong([12, 12], to: &queue, &pool)
        #expect(contents(queue) == pong([12, 12]) + [2])
        queue.removeAll(to: &pool)
        #expect(pool.lentCount == 0)
    }

    @Test func `chunk that was given back is used again, large ones are not kept`() {
        var pool = OutputPool()
        let chunk = unsafe pool.take(10)
        unsafe pool.give(chunk)
        let again = unsafe pool.take(OutputPool.chunkByteCount)
        #expect(unsafe chunk == again)
        let large = unsafe pool.take(OutputPool.chunkByteCount + 1)
        #expect(unsafe large.room == OutputPool.chunkByteCount + 1)
        unsafe pool.give(large)
        unsafe pool.give(again)
        #expect(pool.lentCount == 0)
        let third = unsafe pool.take(1)
        #expect(unsafe third == again)
        #expect(unsafe third.byteCount == 0)
        unsafe pool.give(third)
    }
}
