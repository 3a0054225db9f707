// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusTestSupport
import Testing

@Suite struct MessageAssemblies {
    @Test(arguments: 1...30 as ClosedRange<UInt64>)
    func `parts are put together as they came`(seed: UInt64) {
        var random = SplitMix(seed: seed)
        var pool = MessageBufferPool()
        for _ in 0..<20 {
            var assembly = MessageAssembly()
            var oracle: [UInt8] = []
            #expect(unsafe assembly.bytes.isEmpty)
            for _ in 0..<random.upTo(20) {
                let length = random.upTo(5000) - 1
                let part = (0..<length).map { _ in UInt8(truncatingIfNeeded: random.next()) }
                let remaining = random.upTo(10_000) - 1
                // As the decoder does: what fits goes into the room behind the bytes so far.
                var stored = 0
                if random.chance(50) {
                    assembly.withRoom { room in
                        stored = min(room.freeCapacity, part.count)
                        for byte in part[..<stored] { room.append(byte) }
                    }
                }
                unsafe part[stored...].withUnsafeBytes {
                    unsafe assembly.append($0, remaining: remaining, from: &pool)
                }
                oracle += part
                #expect(unsafe assembly.bytes.elementsEqual(oracle), "seed \(seed)")
                #expect(pool.lentCount == (oracle.isEmpty ? 0 : 1), "seed \(seed)")
            }
            assembly.removeAll(to: &pool)
            #expect(unsafe assembly.bytes.isEmpty)
            #expect(pool.lentCount == 0, "seed \(seed)")
        }
    }

    @Test func `announced length reserves a few times what came, in a few steps`() {
        var pool = MessageBufferPool()
        var assembly = MessageAssembly()
        let part = [UInt8](repeating: 1, count: 1000)
        unsafe part.withUnsafeBytes {
            unsafe assembly.append($0, remaining: 99_000, from: &pool)
        }
        #expect(assembly.capacity == 4096)
        var capacities: Set<Int> = [4096]
        for index in 1..<100 {
            unsafe part.withUnsafeBytes {
                unsafe assembly.append($0, remaining: 99_000 - index * 1000, from: &pool)
            }
            #expect(assembly.capacity <= max(4096, 4 * (index + 1) * 1000))
            capacities.insert(assembly.capacity)
        }
        #expect(unsafe assembly.bytes.count == 100_000)
        #expect(capacities.count <= 4, "\(capacities.sorted())")
        assembly.removeAll(to: &pool)
        #expect(pool.lentCount == 0)
    }

    @Test func `buffer that was given back is used again where it is large enough`() {
        var pool = MessageBufferPool()
        let small = unsafe pool.take(5000)
        let large = unsafe pool.take(50_000)
        unsafe pool.give(small)
        unsafe pool.give(large)
        let first = unsafe pool.take(20_000)
        let second = unsafe pool.take(5000)
        #expect(unsafe first.baseAddress == large.baseAddress)
        #expect(unsafe second.baseAddress == small.baseAddress)
        unsafe pool.give(first)
        unsafe pool.give(second)
        #expect(pool.lentCount == 0)
    }
}
