// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusDeflate
import ApusTestSupport
import Testing

private let hello = Array("Hello".utf8)

@Suite(.rfc7692("7.2")) struct `Inflated messages` {
    /// RFC 7692 §7.2.3, and what it allows besides.
    static let wellFormed: [(wire: [UInt8], message: [UInt8])] = [
        ([0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00], hello),
        // Without compression.
        ([0x00, 0x05, 0x00, 0xFA, 0xFF, 0x48, 0x65, 0x6C, 0x6C, 0x6F, 0x00], hello),
        // BFINAL.
        ([0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00], hello),
        // BFINAL, and nothing that one could flush behind it.
        ([0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00], hello),
        // Two blocks.
        (
            [0xF2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xCA, 0xC9, 0xC9, 0x07, 0x00],
            hello
        ),
        // A block behind BFINAL.
        (
            [0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00],
            hello + hello
        ),
        ([0x00], []), ([0x02, 0x00], []), ([], []),
    ]

    @Test(arguments: wellFormed)
    func `come out whole, however they are cut`(vector: (wire: [UInt8], message: [UInt8])) {
        let count = vector.wire.count
        for pieces in [[0..<count]] + EverySplit.inTwo(count) + [EverySplit.byteByByte(count)]
        where !pieces.isEmpty {
            for chunk in [1, 2, 5, 64] {
                let inflated = Inflation(pieces.map { vector.wire[$0] }, chunk: chunk)
                #expect(inflated.defect == nil, "\(pieces), \(chunk)")
                #expect(inflated.bytes == vector.message, "\(pieces), \(chunk)")
                #expect(inflated.lastCount == 1)
            }
        }
    }

    /// Z02.
    @Test(
        arguments: [
            // A block type that there is not.
            [0x06, 0x00], [0x07],
            // A stream that ends within a block, or within its header.
            [0xF2, 0x48, 0xCD], [0xF2], [0x04, 0x80], [0x00, 0x05, 0x00, 0xFA, 0xFF, 0x48],
            // A stored block whose length does not fit its complement.
            [0x00, 0x05, 0x00, 0xFA, 0xFE, 0x48, 0x65, 0x6C, 0x6C, 0x6F, 0x00],
            // A distance to before the first byte.
            [0xF2, 0x00, 0x11, 0x00, 0x00],
            // Garbage behind BFINAL.
            [0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0xFF],
            [0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00, 0x01],
            // A flush that was not taken off.
            [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00, 0x00, 0xFF, 0xFF],
            // Code lengths that make no code.
            [0x04, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], [0xFF], [0x0C],
        ] as [[UInt8]]
    )
    func `are corrupt where they are, however they are cut`(wire: [UInt8]) {
        for pieces in [[0..<wire.count]] + EverySplit.inTwo(wire.count) {
            let inflated = Inflation(pieces.map { wire[$0] })
            #expect(inflated.defect == .corrupt, "\(pieces)")
        }
    }

    @Test func `refer to what came before where they may`() {
        let window = [UInt8]("Hello".utf8)
        let wire: [UInt8] = [0xF2, 0x00, 0x11, 0x00, 0x00]
        #expect(Inflation([wire[...]], window: window).bytes == hello)
        #expect(Inflation([wire[...]], window: Array(window.dropLast())).bytes != hello)
    }

    /// One inflater serves all connections of a worker.
    @Test func `cannot refer to what another connection sent`() {
        let inflater = Inflater()
        let secret = Array("a secret of somebody else ".utf8)
        let first = Inflation([deflated(secret)[...]], by: inflater)
        #expect(first.bytes == secret)
        // The same with a window that is too short, and with none.
        for distance in [1, 3, 6] {
            // A match of 3 bytes at a distance: fixed codes, as in §7.2.3.2.
            var bits = Bits()
            bits.add(0b0, 1)
            bits.add(0b01, 2)
            bits.addHuffman(0b0000001, 7)
            bits.addHuffman([1: 0, 3: 2, 6: 4][distance] ?? 0, 5)
            if distance == 6 { bits.add(1, 1) }
            bits.addHuffman(0, 7)
            let wire = bits.bytes + [0]
            let inflation = Inflation([wire[...]], by: inflater)
            #expect(inflation.defect == .corrupt, "\(distance)")
            #expect(inflation.bytes.isEmpty)
        }
    }

    /// B7: counted while they come out, and not one byte more.
    @Test(arguments: [1, 2, 100, 16_383, 16_384, 16_385, 100_000])
    func `are no larger than they may be`(limit: Int) {
        let exact = deflated([UInt8](repeating: 0x61, count: limit))
        let over = deflated([UInt8](repeating: 0x61, count: limit + 1))
        let limits = Inflater.Limits(byteCountMax: limit)
        for chunk in [1, 1000, 16_384] {
            #expect(Inflation([exact[...]], limits: limits, chunk: chunk).defect == nil)
            let refused = Inflation([over[...]], limits: limits, chunk: chunk)
            #expect(refused.defect == .tooBig)
            #expect(refused.bytes.count <= limit)
        }
    }

    @Test func `may be as large as can be counted`() {
        let limits = Inflater.Limits(byteCountMax: .max, ratioMax: .max)
        #expect(Inflation([Self.wellFormed[0].wire[...]], limits: limits).bytes == hello)
    }

    @Test func `are no larger in ratio than they may be, but for small ones`() {
        let limits = Inflater.Limits(byteCountMax: 1 << 30, ratioMax: 100)
        let small = deflated([UInt8](repeating: 0, count: 65_536))
        #expect(Inflation([small[...]], limits: limits).defect == nil)
        let bomb = deflated([UInt8](repeating: 0, count: 1 << 22))
        let refused = Inflation([bomb[...]], limits: limits)
        #expect(refused.defect == .overRatio)
        var random = SplitMix(seed: 7)
        let noise = (0..<1 << 20).map { _ in UInt8(truncatingIfNeeded: random.next() & 15) }
        #expect(Inflation([deflated(noise)[...]], limits: limits).bytes == noise)
    }

    @Test(arguments: wellFormed.map(\.wire) + [deflated([UInt8](repeating: 0, count: 10_000))])
    func `stop coming when nobody wants more, and go on`(wire: [UInt8]) {
        let whole = Inflation([wire[...]])
        for chunk in [1, 3, 1000] {
            let inflater = Inflater()
            unsafe inflater.begin(within: .init(byteCountMax: 1 << 30))
            var room = [UInt8](repeating: 0, count: chunk)
            var rest = wire
            var bytes: [UInt8] = []
            var lastCount = 0
            repeat {
                let defect = unsafe rest.withUnsafeBytes { rest in
                    unsafe room.withUnsafeMutableBytes { room in
                        unsafe inflater.inflate(rest, isLast: true, by: room) { part, isLast in
                            unsafe bytes += part
                            lastCount += isLast ? 1 : 0
                            return false
                        }
                    }
                }
                #expect(defect == nil)
                rest = Array(rest.suffix(inflater.restByteCount ?? 0))
            } while inflater.restByteCount != nil
            #expect(bytes == whole.bytes)
            #expect(lastCount == 1)
        }
    }
}

@Suite struct `Inflation windows` {
    @Test(arguments: [8, 9, 12, 15])
    func `keep the end of what came`(bits: Int) {
        var random = SplitMix(seed: UInt64(bits))
        var window = InflationWindow(bits: bits)
        var all: [UInt8] = []
        for _ in 0..<200 {
            let count = Int(random.next() % 700)
            let part = (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            unsafe part.withUnsafeBytes { unsafe window.append($0) }
            all += part
            #expect(window.bytes == all.suffix(1 << bits))
            #expect(window.storedByteCount <= (1 << bits) + (1 << bits) / 8)
        }
    }
}
