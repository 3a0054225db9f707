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

    /// What waits: a message that can be dropped while nothing was sent of it, or a frame that cannot.
    private struct Waiting {
        var bytes: [UInt8]
        var isMessage: Bool
        var key: Int?
        var isBegun = false
    }

    @Test(arguments: 1...40 as ClosedRange<UInt64>)
    func `whole messages alone are dropped, oldest first, or by their keys`(seed: UInt64) {
        var random = SplitMix(seed: seed)
        var pool = OutputPool()
        var queue = OutputQueue()
        var oracle: [Waiting] = []
        let hasKeys = seed.isMultiple(of: 2)
        func header(_ opcode: Opcode, _ count: Int, isFinal: Bool = true) -> FrameHeader {
            FrameHeader(isFinal: isFinal, opcode: opcode, payloadByteCount: UInt64(count))
        }
        func frame(_ header: FrameHeader, _ payload: [UInt8]) -> [UInt8] {
            WireBytes(to: .client).frame(header.opcode, payload, isFinal: header.isFinal)
        }
        /// Appends a frame that is a message, or is none that can be dropped.
        func append(_ header: FrameHeader, _ payload: [UInt8]) {
            unsafe payload.withUnsafeBytes { unsafe queue.append(header, $0, from: &pool) }
            let isMessage = header.isFinal && [.text, .binary].contains(header.opcode)
            oracle.append(Waiting(bytes: frame(header, payload), isMessage: isMessage))
        }
        for _ in 0..<300 {
            let length = random.chance(3) ? random.upTo(20_000) : random.upTo(300) - 1
            let payload = (0..<length).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            switch random.upTo(12) {
            case 1: append(header(.ping, length % 126), Array(payload.prefix(length % 126)))
            case 2:
                append(header(.text, length, isFinal: false), payload)
                append(header(.ping, 0), [])
                append(header(.continuation, length), payload)
            case 3, 4:
                let most = random.upTo(1000)
                let key = hasKeys ? random.upTo(5) : nil
                unsafe payload.withUnsafeBytes {
                    unsafe queue.append(
                        .binary,
                        $0,
                        fragmentByteCountMax: most,
                        key: key,
                        from: &pool
                    )
                }
                var bytes: [UInt8] = []
                for start in stride(from: 0, to: max(1, length), by: most) {
                    let piece = Array(payload[start..<min(length, start + most)])
                    let opcode = start == 0 ? Opcode.binary : .continuation
                    bytes += frame(
                        header(opcode, piece.count, isFinal: start + most >= length),
                        piece
                    )
                }
                for index in oracle.indices where oracle[index].key == key {
                    oracle[index].key = nil
                }
                oracle.append(Waiting(bytes: bytes, isMessage: true, key: key))
            case 5, 6:
                var count = queue.isEmpty ? 0 : random.upTo(min(queue.byteCount, 5000))
                queue.removeFirst(count, to: &pool)
                while count > 0 {
                    oracle[0].isBegun = true
                    oracle[0].key = nil
                    let taken = min(count, oracle[0].bytes.count)
                    oracle[0].bytes.removeFirst(taken)
                    if oracle[0].bytes.isEmpty { oracle.removeFirst() }
                    count -= taken
                }
            case 7, 8:
                if hasKeys {
                    let key = random.upTo(5)
                    let index = oracle.firstIndex { $0.key == key }
                    let byteCount = index.map { oracle[$0].bytes.count } ?? 0
                    #expect(queue.byteCount(of: key) == byteCount, "seed \(seed)")
                    queue.remove(key, to: &pool)
                    if let index { oracle.remove(at: index) }
                } else {
                    let index = oracle.firstIndex { $0.isMessage && !$0.isBegun }
                    let isRemoved = queue.removeOldestMessage(to: &pool)
                    #expect(isRemoved == (index != nil), "seed \(seed)")
                    if let index { oracle.remove(at: index) }
                }
            default: append(header(random.chance(50) ? .text : .binary, length), payload)
            }
            let expected = oracle.flatMap(\.bytes)
            #expect(queue.byteCount == expected.count, "seed \(seed)")
            #expect(contents(queue) == expected, "seed \(seed)")
            guard queue.byteCount == expected.count else { return }
        }
        while queue.removeOldestMessage(to: &pool) {}
        queue.removeAll(to: &pool)
        #expect(pool.lentCount == 0)
    }

    @Test func `rest of a frame that was sent in part is no message, what follows is`() {
        var pool = OutputPool()
        var queue = OutputQueue()
        append([1, 2, 3], to: &queue, &pool)
        append(pong([4]), to: &queue, &pool)
        append([0x82, 1, 5], to: &queue, &pool)
        append([0x81, 2, 6, 7], to: &queue, &pool)
        let first = queue.removeOldestMessage(to: &pool)
        #expect(first)
        #expect(contents(queue) == [1, 2, 3] + pong([4]) + [0x81, 2, 6, 7])
        queue.removeFirst(7, to: &pool)
        let begun = queue.removeOldestMessage(to: &pool)
        #expect(!begun)
        queue.removeAll(to: &pool)
        #expect(pool.lentCount == 0)
    }

    @Test(arguments: [OutputPool.smallByteCount, OutputPool.largeByteCount])
    func `chunk that was given back is used again, those of other sizes are not kept`(count: Int) {
        var pool = OutputPool()
        let chunk = unsafe pool.take(count)
        unsafe pool.give(chunk)
        let own = unsafe pool.take(count, isExact: true)
        #expect(unsafe own.room == count)
        let huge = unsafe pool.take(OutputPool.largeByteCount + 1)
        #expect(unsafe huge.room == OutputPool.largeByteCount + 1)
        unsafe pool.give(huge)
        let again = unsafe pool.take(count)
        #expect(unsafe chunk == again)
        unsafe pool.give(again)
        unsafe pool.give(own)
        #expect(pool.lentCount == 0)
    }

    @Test func `replies that outgrow a small chunk still lie together`() throws {
        var pool = OutputPool()
        var queue = OutputQueue()
        var sent: [UInt8] = []
        for number in 0..<100 as Range<UInt8> {
            let payload = [UInt8](repeating: number, count: 100)
            unsafe payload.withUnsafeBytes {
                unsafe queue.append(
                    FrameHeader(opcode: .binary, payloadByteCount: 100),
                    $0,
                    from: &pool
                )
            }
            sent += [0x82, 100] + payload
        }
        let isContiguous = queue.isContiguous
        #expect(isContiguous)
        #expect(pool.lentCount == 1)
        #expect(unsafe Array(queue.firstPart) == sent)
        queue.removeAll(to: &pool)
        #expect(pool.lentCount == 0)
    }

    @Test func `what waits behind a chunk that is being sent lies in large ones`() {
        var pool = OutputPool()
        var queue = OutputQueue()
        let payload = [UInt8](repeating: 1, count: 100)
        func append() {
            unsafe payload.withUnsafeBytes {
                let header = FrameHeader(opcode: .binary, payloadByteCount: 100)
                unsafe queue.append(header, $0, from: &pool)
            }
        }
        append()
        queue.removeFirst(1, to: &pool)
        for _ in 0..<1000 { append() }
        // 102 bytes each; a chunk of 32 KiB holds some 320.
        #expect(pool.lentCount <= 6)
        queue.removeAll(to: &pool)
        #expect(pool.lentCount == 0)
    }

    /// By the formula of the RFC, not by the codec.
    private func masked(_ bytes: [UInt8], by key: [UInt8]) -> [UInt8] {
        bytes.enumerated().map { $1 ^ key[$0 % 4] }
    }

    @Test(.rfc6455("5.3"), arguments: [0, 1, 4, 125, 126, 4095, 4096, 20_000])
    func `frames of a client are masked as they are queued, each with its own key`(
        byteCount: Int
    ) {
        var pool = OutputPool()
        var queue = OutputQueue()
        queue.maskingKeys = unsafe RandomBytes(fill: { block in
            for index in block.indices { unsafe block[index] = UInt8(truncatingIfNeeded: index) }
        })
        let payload = (0..<byteCount).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let header = FrameHeader(opcode: .binary, payloadByteCount: UInt64(byteCount))
        unsafe payload.withUnsafeBytes { unsafe queue.append(header, $0, from: &pool) }
        appendPong([8, 8], to: &queue, &pool)
        appendPong([8, 9], to: &queue, &pool)

        let frame = Array(contents(queue).dropLast(8))
        let start = header.headerByteCount + 4
        #expect(frame[1] & 0x80 != 0)
        #expect(frame[(start - 4)..<start] == [0, 1, 2, 3])
        #expect(Array(frame[start...]) == masked(payload, by: [0, 1, 2, 3]))
        #expect(contents(queue).suffix(8) == [0x8A, 0x82, 8, 9, 10, 11, 0, 0])
        queue.removeAll(to: &pool)
        #expect(pool.lentCount == 0)
    }

    @Test(.rfc6455("5.3"), arguments: [3, 4, 5, 200])
    func `fragments of a client are masked, each with its own key, and dropped together`(
        most: Int
    ) {
        var pool = OutputPool()
        var queue = OutputQueue()
        queue.maskingKeys = unsafe RandomBytes(fill: { block in
            for index in block.indices { unsafe block[index] = UInt8(truncatingIfNeeded: index) }
        })
        let payload = (0..<10).map { UInt8($0 &* 7) }
        func append() {
            unsafe payload.withUnsafeBytes {
                unsafe queue.append(.text, $0, fragmentByteCountMax: most, from: &pool)
            }
        }
        append()
        var expected: [UInt8] = []
        var key: UInt8 = 0
        for start in stride(from: 0, to: payload.count, by: most) {
            let piece = Array(payload[start..<min(payload.count, start + most)])
            let fin: UInt8 = start + most >= payload.count ? 0x80 : 0
            let keyBytes = [key, key + 1, key + 2, key + 3]
            expected += [fin | (start == 0 ? 1 : 0), 0x80 | UInt8(piece.count)] + keyBytes
            expected += masked(piece, by: keyBytes)
            key += 4
        }
        #expect(contents(queue) == expected)
        #expect(queue.byteCount == expected.count)

        // The first is begun, so the second one goes, whole.
        append()
        queue.removeFirst(1, to: &pool)
        let isDropped = queue.removeOldestMessage(to: &pool)
        let isDroppedAgain = queue.removeOldestMessage(to: &pool)
        #expect(isDropped && !isDroppedAgain)
        #expect(contents(queue) == Array(expected.dropFirst()))
        queue.removeAll(to: &pool)
        #expect(pool.lentCount == 0)
    }
}
