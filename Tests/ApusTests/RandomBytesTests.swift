// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusCodec
import ApusTestSupport
import CApusSystem
import Glibc
import Testing

@Suite(.rfc6455("10.3"))
struct `Random bytes` {
    /// Blocks of bytes that count up, and how many there were.
    private final class Counter {
        var fillCount = 0
        var next: UInt8 = 0

        func fill(_ block: UnsafeMutableRawBufferPointer) {
            fillCount += 1
            for index in block.indices {
                unsafe block[index] = next
                next &+= 1
            }
        }
    }

    @Test func `are handed out once, in order, a block at a time`() {
        let counter = Counter()
        let random = unsafe RandomBytes(fill: { unsafe counter.fill($0) })
        #expect(counter.fillCount == 0)
        #expect(random.nextMaskingKey() == MaskingKey(0, 1, 2, 3))
        #expect(random.nextNonce() == Array(4..<20))
        #expect(random.nextMaskingKey() == MaskingKey(20, 21, 22, 23))
        for _ in 0..<(4096 - 24) / 4 { _ = random.nextMaskingKey() }
        #expect(counter.fillCount == 1)
        #expect(random.nextMaskingKey() == MaskingKey(0, 1, 2, 3))
        #expect(counter.fillCount == 2)
    }

    @Test func `nonce that does not fit into the rest of a block is of the next one`() {
        let counter = Counter()
        let random = unsafe RandomBytes(fill: { unsafe counter.fill($0) })
        for _ in 0..<1023 { _ = random.nextMaskingKey() }
        #expect(random.nextNonce() == Array(0..<16))
        #expect(counter.fillCount == 2)
    }

    @Test func `are wiped as they are handed out`() {
        var blocks: [UnsafeMutableRawBufferPointer] = unsafe []
        let random = unsafe RandomBytes(fill: { block in
            unsafe blocks.append(block)
            unsafe block.initializeMemory(as: UInt8.self, repeating: 7)
        })
        _ = random.nextMaskingKey()
        _ = random.nextNonce()
        #expect(unsafe blocks[0].prefix(20).allSatisfy { $0 == 0 })
        #expect(unsafe blocks[0].dropFirst(20).allSatisfy { $0 == 7 })
        withExtendedLifetime(random) {}
    }

    @Test func `of the kernel are others each time`() {
        let one = RandomBytes()
        let other = RandomBytes()
        var nonces: Set<[UInt8]> = []
        var keys: Set<MaskingKey> = []
        for _ in 0..<1000 {
            nonces.insert(one.nextNonce())
            nonces.insert(other.nextNonce())
            keys.insert(one.nextMaskingKey())
            keys.insert(other.nextMaskingKey())
        }
        #expect(nonces.count == 2000)
        // Of 2000 among 2^32, more than five pairs alike are a chance of 10^-22.
        #expect(keys.count >= 1995)
    }
}

@Suite(.rfc6455("10.3")) struct `Masking keys of processes` {
    /// The keys of eight frames, of a worker that is made here.
    @WorkerActor
    private static func keys() throws -> [UInt8] {
        let test = ClientWorld()
        let (connection, server) = try test.open()
        for _ in 0..<8 { connection.sendBytes([1]) }
        try test.world.run { server.keys.count == 8 }
        return server.keys.flatMap { $0 }
    }

    @Test func `are of their own behind a fork`() async {
        await #expect(processExitsWith: .success) {
            try inWorker {
                // What a parent has drawn, children must not draw again.
                var keys = try Self.keys()
                var ends: [Int32] = [0, 0]
                try #require(unsafe pipe(&ends) == 0)
                for _ in 0..<2 {
                    let child = apus_process_fork()
                    guard child != 0 else {
                        let own = try Self.keys()
                        apus_process_exit(
                            unsafe write(ends[1], own, own.count) == own.count ? 0 : 1
                        )
                    }
                    var status: Int32 = 0
                    try #require(unsafe waitpid(child, &status, 0) == child && status == 0)
                    keys += unsafe [UInt8](unsafeUninitializedCapacity: 32) { buffer, count in
                        count = unsafe max(0, read(ends[0], buffer.baseAddress, 32))
                    }
                }
                keys += try Self.keys()
                let words = stride(from: 0, to: keys.count, by: 4).map { Array(keys[$0..<$0 + 4]) }
                #expect(words.count == 32)
                #expect(Set(words).count == 32)
            }
        }
    }
}
