// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusTestSupport
import CApusCodec
import Testing

extension InstructionSetTests {
    @Suite("UTF-8") struct UTF8 {
        /// Bytes on both sides of every border that the rules draw.
        static let borders: [UInt8] = [
            0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1,
            0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF,
        ]

        @Test(arguments: Variant.available)
        func `a variant judges every sequence of one and two bytes`(variant: Variant) {
            variant.use {
                for first in UInt8.min...UInt8.max {
                    expectJudgement(of: [first])
                    for second in UInt8.min...UInt8.max {
                        expectJudgement(of: [first, second])
                    }
                }
            }
        }

        @Test(arguments: Variant.available)
        func `a variant judges every sequence of three bytes`(variant: Variant) {
            variant.use {
                for first in UInt8.min...UInt8.max {
                    // Behind a byte that starts no character the third one hardly matters.
                    let isLead = (0xC2...0xF4).contains(first)
                    let thirds = isLead ? Array(UInt8.min...UInt8.max) : Self.borders
                    #expect(mistakes(first: first, thirds: thirds) == [])
                }
            }
        }

        @Test(arguments: Variant.available, UInt8(0xF0)...0xF4)
        func `a variant judges sequences of four bytes`(variant: Variant, lead: UInt8) {
            variant.use {
                for second in UInt8.min...UInt8.max {
                    for third in Self.borders {
                        for fourth in Self.borders {
                            expectJudgement(of: [lead, second, third, fourth])
                        }
                    }
                }
            }
        }

        @Test(arguments: Variant.available)
        func `a variant finds a sequence wherever it lies`(variant: Variant) {
            let sequences: [[UInt8]] = [
                [0xC3, 0xA4], [0xE2, 0x82, 0xAC], [0xF0, 0x9F, 0x90, 0x9D], [0xC3], [0xE2, 0x82],
                [0xF0, 0x9F, 0x90], [0x80], [0xC0, 0x80], [0xE0, 0x80, 0x80], [0xED, 0xA0, 0x80],
                [0xF0, 0x80, 0x80, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80],
                [0xC3, 0xA4, 0x80], [0xE2, 0x82, 0xAC, 0x80], [0xF0, 0x9F, 0x90, 0x9D, 0x80],
            ]
            variant.use {
                for sequence in sequences {
                    for byteCount in [31, 32, 33, 34, 35, 63, 64, 65, 66, 67, 96, 128, 160] {
                        for position in 0...(byteCount - sequence.count) {
                            var text = [UInt8](repeating: 0x61, count: byteCount)
                            text.replaceSubrange(
                                position..<position + sequence.count,
                                with: sequence
                            )
                            expectJudgement(of: text)
                        }
                    }
                }
            }
        }

        @Test(arguments: Variant.available, 1...8 as ClosedRange<UInt64>)
        func `a variant judges every piece of a random text as a byte loop does`(
            variant: Variant,
            seed: UInt64
        ) {
            variant.use {
                var random = SplitMix(seed: seed)
                let buffer = GuardedBuffer()
                for _ in 0..<400 {
                    let text = randomText(using: &random)
                    var state: apus_utf8_state = 0
                    var oracle = UTF8Oracle()
                    var rest = text[...]
                    while !rest.isEmpty, oracle.isFine {
                        let limit = [4, 70, 700].randomElement(using: &random) ?? 1
                        let piece = rest.prefix(Int.random(in: 0...limit, using: &random))
                        rest = rest.dropFirst(piece.count)
                        for byte in piece {
                            oracle.step(byte)
                        }
                        let place = unsafe buffer.last(piece.count)
                        _ = unsafe place.update(from: piece)
                        let isFine = unsafe apus_utf8_validate(
                            &state,
                            place.baseAddress,
                            place.count
                        )
                        #expect(isFine == oracle.isFine, "seed \(seed), text \(text)")
                        if isFine {
                            #expect((state == 0) == oracle.isAtBoundary, "seed \(seed)")
                        }
                    }
                }
            }
        }
    }
}

/// Expects that the variant in use and the oracle agree on a whole text.
private func expectJudgement(of text: [UInt8]) {
    var state: apus_utf8_state = 0
    let isFine = unsafe apus_utf8_validate(&state, text, text.count)
    var oracle = UTF8Oracle()
    for byte in text {
        oracle.step(byte)
    }
    // Comparing first: an expectation costs more than the judgement.
    if isFine != oracle.isFine || isFine && (state == 0) != oracle.isAtBoundary {
        Issue.record("\(text): \(isFine), should be \(oracle.isFine); state \(state)")
    }
}

/// The sequences with this first byte and these third ones that the variant in use judges wrongly.
private func mistakes(first: UInt8, thirds: [UInt8]) -> [[UInt8]] {
    var mistakes: [[UInt8]] = []
    var afterFirst = UTF8Oracle()
    afterFirst.step(first)
    for second in UInt8.min...UInt8.max {
        var afterSecond = afterFirst
        afterSecond.step(second)
        var sequence = [first, second, 0]
        for third in thirds {
            sequence[2] = third
            var oracle = afterSecond
            oracle.step(third)
            var state: apus_utf8_state = 0
            let isFine = unsafe apus_utf8_validate(&state, sequence, 3)
            if isFine != oracle.isFine || isFine && (state == 0) != oracle.isAtBoundary {
                mistakes.append(sequence)
            }
        }
    }
    return mistakes
}

/// A text of one, two, three or four bytes a character, or of all of them, with ASCII in between;
/// every other one with a byte replaced.
func randomText(using random: inout SplitMix) -> [UInt8] {
    let planes: [ClosedRange<UInt32>] = [
        0x00...0x7F, 0x80...0x7FF, 0x800...0xFFFF, 0x10000...0x10FFFF, 0x00...0x10FFFF,
    ]
    let plane = planes.randomElement(using: &random) ?? 0x00...0x7F
    var text = String.UnicodeScalarView()
    for _ in 0..<Int.random(in: 1...250, using: &random) {
        let range = Int.random(in: 0..<4, using: &random) == 0 ? 0x00...0x7F : plane
        text.append(Unicode.Scalar(UInt32.random(in: range, using: &random)) ?? "?")
    }
    var bytes = Array(String(text).utf8)
    if Bool.random(using: &random) {
        let index = bytes.indices.randomElement(using: &random) ?? 0
        bytes[index] = UInt8.random(in: 0...255, using: &random)
    }
    return bytes
}
