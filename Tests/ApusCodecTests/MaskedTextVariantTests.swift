// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusTestSupport
import CApusCodec
import Glibc
import Testing

extension InstructionSetTests {
    @Suite("Masked text") struct MaskedText {
        static let sizes = Array(0...300) + [511, 512, 513, 639, 640, 641, 700, 1100]

        /// Every width of character, changes between them, and errors in the middle.
        static let texts: [[UInt8]] = {
            let cycles = ["a", "ä", "蜂", "🐝", "plain, then ä蜂🐝 and plain again for a while, ascii"]
            var texts = cycles.map { cycle in
                Array(String(repeating: cycle, count: 1200 / cycle.utf8.count + 1).utf8)
            }
            for (index, byte) in [(17, 0xFF), (64, 0x80), (129, 0xC0), (255, 0xF5)] {
                var text = texts[0]
                text[index] = UInt8(byte)
                texts.append(text)
            }
            return texts
        }()

        @Test(arguments: Variant.available, 0..<4)
        func `a variant unmasks and judges as the two steps do`(variant: Variant, phase: Int) {
            for text in Self.texts {
                let bench = MaskedTextBench(text: text, sizes: Self.sizes, phase: phase)
                variant.use {
                    for index in Self.sizes.indices {
                        for offset in 0..<16 {
                            bench.check(index, at: offset)
                            bench.check(index, at: bench.byteCount - Self.sizes[index] - offset)
                        }
                    }
                }
            }
        }

        @Test(arguments: Variant.available, 1...8 as ClosedRange<UInt64>)
        func `a variant judges masked pieces of a random text`(variant: Variant, seed: UInt64) {
            let key: [UInt8] = [0x91, 0x02, 0xF3, 0x64]
            let packed = unsafe key.withUnsafeBytes { unsafe $0.loadUnaligned(as: UInt32.self) }
            variant.use {
                var random = SplitMix(seed: seed)
                let buffer = GuardedBuffer()
                for _ in 0..<400 {
                    let text = randomText(using: &random)
                    var state: apus_utf8_state = 0
                    var oracle = UTF8Oracle()
                    var position = 0
                    while position < text.count, oracle.isFine {
                        let limit = [4, 70, 700].randomElement(using: &random) ?? 1
                        let count = min(Int.random(in: 0...limit, using: &random), text.count)
                        let piece = text[position..<min(position + count, text.count)]
                        piece.forEach { oracle.step($0) }
                        let place = unsafe buffer.last(piece.count)
                        for (index, byte) in piece.enumerated() {
                            unsafe place[index] = byte ^ key[(position + index) % 4]
                        }
                        let isFine = unsafe apus_mask_utf8(
                            &state,
                            place.baseAddress,
                            place.count,
                            packed,
                            position
                        )
                        #expect(isFine == oracle.isFine, "seed \(seed), text \(text)")
                        #expect(unsafe place.elementsEqual(piece), "seed \(seed)")
                        if isFine {
                            #expect((state == 0) == oracle.isAtBoundary, "seed \(seed)")
                        }
                        position += piece.count
                    }
                }
            }
        }
    }
}

/// Two pages in which the start of one text is unmasked, and what must come of it.
@safe
private struct MaskedTextBench: ~Copyable {
    private let key: UInt32
    private let phase: Int
    private let sizes: [Int]
    private let text: [UInt8]
    private let masked: [UInt8]
    private let background: [UInt8]
    /// For each size what the scalar validator says: the state, or nil for an error.
    private let judgements: [apus_utf8_state?]
    private let source = GuardedBuffer()
    private let target = GuardedBuffer()

    var byteCount: Int { target.count }

    init(text: [UInt8], sizes: [Int], phase: Int) {
        let bytes: [UInt8] = [0x81, 0x12, 0xB3, 0x74]
        key = unsafe bytes.withUnsafeBytes { unsafe $0.loadUnaligned(as: UInt32.self) }
        self.phase = phase
        self.sizes = sizes
        self.text = text
        masked = text.enumerated().map { $1 ^ bytes[($0 + phase) % 4] }
        background = [UInt8](repeating: 0xEE, count: target.count)
        var judgements: [apus_utf8_state?] = []
        Variant.scalar.use {
            for size in sizes {
                var state: apus_utf8_state = 0
                let isValid = unsafe apus_utf8_validate(&state, text, size)
                judgements.append(isValid ? state : nil)
            }
        }
        self.judgements = judgements
    }

    func check(_ index: Int, at start: Int) {
        let size = sizes[index]
        guard let source = unsafe source.bytes.baseAddress,
            let target = unsafe target.bytes.baseAddress
        else { return }

        unsafe memcpy(target, background, byteCount)
        unsafe memcpy(target + start, masked, size)
        var state: apus_utf8_state = 0
        var isValid = unsafe apus_mask_utf8(&state, target + start, size, key, phase)
        expect(isValid ? state : nil, index, at: start, "in place")

        unsafe memcpy(target, background, byteCount)
        unsafe memcpy(source + start, masked, size)
        state = 0
        isValid = unsafe apus_mask_utf8_copy(
            &state,
            target + start,
            source + start,
            size,
            key,
            phase
        )
        expect(isValid ? state : nil, index, at: start, "copied")
    }

    private func expect(_ judgement: apus_utf8_state?, _ index: Int, at start: Int, _ how: String) {
        let size = sizes[index]
        let end = start + size
        guard let target = unsafe target.bytes.baseAddress else { return }
        let isRight =
            unsafe memcmp(target, background, start) == 0
            && memcmp(target + start, text, size) == 0
            && memcmp(target + end, background, byteCount - end) == 0
        if !isRight {
            Issue.record("\(size) bytes \(how), \(start) bytes into the page: wrong bytes")
        }
        if judgement != judgements[index] {
            Issue.record("\(size) bytes \(how), \(start) bytes into the page: wrong answer")
        }
    }
}
