// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusDeflate
import ApusTestSupport
import CZlib
import Testing

@Suite(.rfc7692("7.2.1")) struct `Compressed data` {
    /// Of each engine.
    static let settings = Deflater.Engine.allCases.flatMap { engine in
        [9, 10, 12, 15].flatMap { bits in
            (engine == .zlib ? [1, 5, 8] : [8]).flatMap { memory in
                (engine == .zlib ? [1, 6] : Array(engine.levels)).map {
                    Deflater.Settings(
                        engine: engine,
                        windowBits: bits,
                        memoryLevel: memory,
                        level: $0
                    )
                }
            }
        }
    }
    static let largest = settings.filter { $0.windowBits == 15 && $0.memoryLevel == 8 }

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
            let inflation = Inflation([wire[...]], window: Array(window.bytes))
            #expect(inflation.bytes == message, "message \(index)")
            unsafe message.withUnsafeBytes { unsafe window.append($0) }
        }
    }

    /// As far back as the receiver's window reaches, within a message too.
    @Test(arguments: settings)
    func `refers to no more than the window`(settings: Deflater.Settings) {
        let deflater = Deflater(settings)
        let word = Array("abcdefghijklmnopqrstuvwxyz0123456789".utf8)
        for distance in [(1 << settings.windowBits) - 1, 1 << settings.windowBits] {
            for beyond in 0...2 {
                let message = alike(word, at: distance + beyond)
                deflater.reset()
                let wire = deflated(message, by: deflater)
                let inflated = inflated(wire, windowBits: settings.windowBits)
                #expect(inflated == message, "\(distance + beyond)")
            }
        }
        for message in messages() {
            deflater.reset()
            let wire = deflated(message, by: deflater)
            #expect(inflated(wire, windowBits: settings.windowBits) == message)
        }
    }

    /// Not a byte is written behind the room, nor less than all said to be all.
    @Test(arguments: largest)
    func `fits exactly, or not at all`(settings: Deflater.Settings) {
        let deflater = Deflater(settings)
        for message in messages().filter({ $0.count <= 1024 }) {
            deflater.reset()
            let whole = deflated(message, by: deflater) + Deflater.tail
            for room in 0..<whole.count + 20 {
                deflater.reset()
                var output = [UInt8](repeating: 0xA5, count: room + 16)
                let result = unsafe message.withUnsafeBytes { message in
                    unsafe output.withUnsafeMutableBytes { output in
                        unsafe deflater.compress(message, into: .init(rebasing: output[..<room]))
                    }
                }
                #expect(result == (room > whole.count ? whole.count : nil), "\(room)")
                #expect(output[room...].allSatisfy { $0 == 0xA5 }, "\(room)")
                if let result { #expect(Array(output[..<result]) == whole) }
            }
        }
    }

    /// What does not compress at all, nor what fixed codes make the most of.
    @Test(arguments: largest)
    func `finds room where there is the most that is needed`(settings: Deflater.Settings) {
        var random = SplitMix(seed: 1)
        let deflater = Deflater(settings)
        for count in [1, 2, 7, 100, 1000, 70_000, 300_000] {
            for least in [0, 144] as [UInt8] {
                let noise = (0..<count).map { _ in UInt8.random(in: least...255, using: &random) }
                deflater.reset()
                #expect(Inflation([deflated(noise, by: deflater)[...]]).bytes == noise)
            }
        }
    }

    /// Whose messages they were does not matter: one compressor serves all connections of a worker.
    @Test(arguments: settings)
    func `does not depend on what was compressed before`(settings: Deflater.Settings) {
        let used = Deflater(settings)
        for message in messages() + messages() {
            used.reset()
            let wire = deflated(message, by: used)
            #expect(wire == deflated(message, by: Deflater(settings)))
        }
    }

    @Test(arguments: largest)
    func `is refused where there is no room for it`(settings: Deflater.Settings) {
        var random = SplitMix(seed: 1)
        let noise = (0..<1000).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        let deflater = Deflater(settings)
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
    @Test(arguments: [7, 100, 1000], largest)
    func `may come and go in steps`(step: Int, settings: Deflater.Settings) {
        let deflater = Deflater(settings)
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
    @Test(arguments: largest)
    func `may be put together of pieces`(settings: Deflater.Settings) {
        let deflater = Deflater(settings)
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

    /// Twice the same, so far apart, and nothing else that repeats.
    private func alike(_ word: [UInt8], at distance: Int) -> [UInt8] {
        var random = SplitMix(seed: 5)
        let noise = (0..<distance - word.count).map { _ in
            UInt8.random(in: 128...255, using: &random)
        }
        return word + noise + word
    }

    /// By zlib with a window of so many bits, a byte at a time, so that there is nothing else.
    private func inflated(_ wire: [UInt8], windowBits: Int) -> [UInt8]? {
        var stream = unsafe z_stream()
        let size = unsafe Int32(MemoryLayout<z_stream>.size)
        guard unsafe inflateInit2_(&stream, Int32(-windowBits), ZLIB_VERSION, size) == Z_OK else {
            return nil
        }
        defer { unsafe inflateEnd(&stream) }
        var input = wire + Deflater.tail
        var output: [UInt8] = []
        return unsafe input.withUnsafeMutableBufferPointer { input in
            unsafe stream.next_in = input.baseAddress
            unsafe stream.avail_in = UInt32(input.count)
            while true {
                var byte: UInt8 = 0
                let result = unsafe withUnsafeMutablePointer(to: &byte) { byte in
                    unsafe stream.next_out = byte
                    unsafe stream.avail_out = 1
                    return unsafe inflate(&stream, Z_SYNC_FLUSH)
                }
                guard result == Z_OK || result == Z_BUF_ERROR else { return nil }
                guard unsafe stream.avail_out == 0 else { return output }
                output.append(byte)
            }
        }
    }
}
