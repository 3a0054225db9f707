// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusDeflate
import ApusTestSupport
import Testing

/// Compressed data of a seed that was changed here and there: whatever it is by then, it comes to
/// the same end however it is cut, and never to more than it may.
@Suite struct `An inflater under random bytes` {
    @Test(arguments: 0..<16 as Range<UInt64>)
    func `comes to the same end however its bytes are cut`(seed: UInt64) {
        var random = SplitMix(seed: seed)
        let inflater = Inflater()
        var corruptCount = 0
        var wholeCount = 0
        for index in 0..<150 {
            let wire = Self.wire(&random)
            let limits = Inflater.Limits(
                byteCountMax: Int(random.next() % 5000),
                ratioMax: random.next() % 4 == 0 ? 3 : nil
            )
            let window = random.next() % 2 == 0 ? [UInt8](repeating: 0x61, count: 300) : nil
            let whole = Inflation([wire[...]], by: inflater, limits: limits, window: window)
            #expect(whole.bytes.count <= limits.byteCountMax)
            #expect(whole.lastCount == (whole.defect == nil ? 1 : 0))
            for chunk in [1, 7, 1000, 16_384] {
                var pieces: [ArraySlice<UInt8>] = []
                var start = 0
                repeat {
                    let end = min(wire.count, start + Int(random.next() % 40))
                    pieces.append(wire[start..<end])
                    start = end
                } while start < wire.count
                let cut = Inflation(
                    pieces,
                    by: inflater,
                    limits: limits,
                    window: window,
                    chunk: chunk
                )
                let description = Comment("seed \(seed), stream \(index): \(wire), \(pieces)")
                #expect(cut.defect == whole.defect, description)
                #expect(cut.bytes.count <= limits.byteCountMax, description)
                // Of what is refused a part may be out before that is known.
                let common = min(cut.bytes.count, whole.bytes.count)
                #expect(cut.bytes[..<common] == whole.bytes[..<common], description)
                #expect(cut.bytes.count == common || whole.defect != nil, description)
            }
            corruptCount += whole.defect == .corrupt ? 1 : 0
            wholeCount += whole.defect == nil ? 1 : 0
        }
        // The streams are neither all bad nor all good.
        #expect((20...140).contains(corruptCount))
        #expect((5...140).contains(wholeCount))
    }

    private static func wire(_ random: inout SplitMix) -> [UInt8] {
        func below(_ count: Int) -> Int { Int(random.next() % UInt64(count)) }
        var wire: [UInt8] = []
        for _ in 0...below(3) {
            let count = below(1500)
            let alphabet = 1 + below(60)
            let message = (0..<count).map { _ in UInt8(0x30 + below(alphabet)) }
            let engine = Deflater.Engine.allCases[below(Deflater.Engine.allCases.count)]
            let settings = Deflater.Settings(
                engine: engine,
                windowBits: 9 + below(7),
                memoryLevel: 1 + below(9),
                level: engine.levels.lowerBound + below(engine.levels.count)
            )
            if !wire.isEmpty { wire += Deflater.tail }
            wire += deflated(message, by: Deflater(settings))
        }
        guard random.next() % 3 != 0 else { return wire }
        for _ in 0...below(3) where !wire.isEmpty {
            switch below(4) {
            case 0: wire[below(wire.count)] ^= UInt8(1 << below(8))
            case 1: wire.remove(at: below(wire.count))
            case 2: wire.insert(UInt8(below(256)), at: below(wire.count))
            default: wire.removeLast(below(wire.count))
            }
        }
        return wire
    }
}
