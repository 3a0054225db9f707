// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusDeflate
import ApusTestSupport
import Testing

@Suite(.rfc7692("7.2.1")) struct `Compressed data` {
    static let settings = [9, 10, 12, 15].flatMap { bits in
        [1, 5, 8].flatMap { memory in
            [1, 6].map { Deflater.Settings(windowBits: bits, memoryLevel: memory, level: $0) }
        }
    }

    @Test(arguments: settings)
    func `inflates to what it was`(settings: Deflater.Settings) {
        let deflater = Deflater(settings)
        for (index, message) in messages().enumerated() {
            deflater.reset()
            let wire = deflated(message, by: deflater)
            #expect(Inflation([wire[...]]).bytes == message, "message \(index)")
        }
    }

    /// A window of the agreed size is all that the receiver keeps.
    @Test(arguments: settings)
    func `with context needs a window of its size and no more`(settings: Deflater.Settings) {
        let deflater = Deflater(settings)
        var window = InflationWindow(bits: settings.windowBits)
        for (index, message) in messages().enumerated() {
            // Reset whenever it likes, RFC 7692 §7.2.3.2.
            if index % 7 == 6 { deflater.reset() }
            let wire = deflated(message, by: deflater)
            let inflation = Inflation([wire[...]], window: window.bytes)
            #expect(inflation.bytes == message, "message \(index)")
            unsafe message.withUnsafeBytes { unsafe window.append($0) }
        }
    }

    @Test func `is refused where there is no room for it`() {
        var random = SplitMix(seed: 1)
        let noise = (0..<1000).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        let deflater = Deflater(.init(windowBits: 15, memoryLevel: 8, level: 1))
        for count in [0, 1, 5, 6, 100, 999, 1003] {
            var output = [UInt8](repeating: 0, count: count)
            let result = unsafe noise.withUnsafeBytes { noise in
                unsafe output.withUnsafeMutableBytes { unsafe deflater.compress(noise, into: $0) }
            }
            #expect(result == nil, "\(count)")
            deflater.reset()
        }
        #expect(Inflation([deflated(noise, by: deflater)[...]]).bytes == noise)
    }

    /// As what is larger than zlib can count is.
    @Test(arguments: [7, 100, 1000])
    func `may come and go in steps`(step: Int) {
        let deflater = Deflater(.init(windowBits: 15, memoryLevel: 8, level: 1))
        for (index, message) in messages().enumerated() {
            deflater.reset()
            var output = [UInt8](repeating: 0, count: 2 * Deflater.byteCountMax(for: message.count))
            let count = unsafe message.withUnsafeBytes { message in
                unsafe output.withUnsafeMutableBytes {
                    unsafe deflater.compress(message, into: $0, atOnce: step)
                }
            }
            let wire = output.prefix(count ?? 0)
            #expect(Array(wire.suffix(4)) == Deflater.tail, "message \(index)")
            #expect(Inflation([wire.dropLast(4)]).bytes == message, "message \(index)")
        }
    }

    /// Pieces that stand alone make one message: no state is kept between them.
    @Test func `may be put together of pieces`() {
        let deflater = Deflater(.init(windowBits: 15, memoryLevel: 8, level: 1))
        var wire: [UInt8] = []
        for message in messages() {
            deflater.reset()
            wire += deflated(message, by: deflater) + Deflater.tail
        }
        #expect(Inflation([(wire + [0])[...]]).bytes == messages().flatMap { $0 })
    }

    private func messages() -> [[UInt8]] {
        var random = SplitMix(seed: 3)
        return [1, 2, 5, 100, 257, 1000, 1024, 4096, 40_000].map { count in
            (0..<count).map { UInt8(truncatingIfNeeded: $0 % 71 + Int(random.next() % 3)) }
        }
    }
}
