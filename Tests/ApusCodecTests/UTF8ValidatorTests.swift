// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusTestSupport
import Testing

@Suite("UTF-8 validator") struct UTF8ValidatorTests {
    @Test func `the oracle of these tests agrees with the standard library`() {
        for scalar in stride(from: UInt32(0), through: 0x10FFFF, by: 31).compactMap(
            Unicode.Scalar.init
        ) {
            for lastByte: UInt8 in [0x7F, 0x80, 0xA0, 0xBF, 0xC2] {
                var bytes = Array(String(Character(scalar)).utf8)
                bytes[bytes.count - 1] = lastByte
                var oracle = UTF8Oracle()
                for byte in bytes {
                    oracle.step(byte)
                }
                let isValid = String(validating: bytes, as: Unicode.UTF8.self) != nil
                if isValid != (oracle.isFine && oracle.isAtBoundary) {
                    Issue.record("\(bytes)")
                }
            }
        }
    }

    @Test(arguments: EverySplit.inThree(10))
    func `validator accepts a text however it is cut`(pieces: [Range<Int>]) {
        let verdicts = verdicts(on: Array("aä€🐝".utf8), in: pieces)
        #expect(!verdicts.contains(.invalid))
        #expect(verdicts.last == .whole)
    }

    @Test func `validator knows when a character is unfinished`() {
        let text = Array("aä€🐝".utf8)
        let lengths = [1, 2, 3, 4]
        let expected = lengths.flatMap { length in
            [Verdict](repeating: .unfinished, count: length - 1) + [.whole]
        }
        #expect(verdicts(on: text, in: EverySplit.byteByByte(text.count)) == expected)
    }

    @Test(
        arguments: [
            [0x80], [0xC0], [0xC1], [0xF5], [0xFF], [0xE0, 0x80], [0xED, 0xA0], [0xF0, 0x80],
            [0xF4, 0x90], [0xC3, 0x28], [0xE2, 0x82, 0x28], [0xF0, 0x9F, 0x90, 0x28],
        ] as [[UInt8]]
    )
    func `validator refuses a text at the first impossible byte`(text: [UInt8]) {
        let verdicts = verdicts(on: text, in: EverySplit.byteByByte(text.count))
        let before = [Verdict](repeating: .unfinished, count: text.count - 1)
        #expect(verdicts == before + [.invalid])
    }

    @Test func `validator starts anew after a reset`() {
        let text: [UInt8] = [0xE2, 0x82, 0x41]
        var validator = UTF8Validator()
        let isBeginningFine = validator.validate(text.span, range: 0..<2)
        #expect(isBeginningFine && !validator.isAtBoundary)
        validator.reset()
        let isRestFine = validator.validate(text.span, range: 2..<3)
        #expect(isRestFine && validator.isAtBoundary)
    }

    @Test func `an empty piece changes nothing`() {
        let pieces = [0..<0, 0..<1, 1..<1, 1..<3, 3..<3]
        let expected: [Verdict] = [.whole, .unfinished, .unfinished, .whole, .whole]
        #expect(verdicts(on: [0xE2, 0x82, 0xAC], in: pieces) == expected)
        #expect(verdicts(on: [], in: [0..<0]) == [.whole])
    }

    /// "h€llo", invalid from its last byte on.
    @Test(arguments: 0...8)
    func `unmasking and checking in one pass is the one after the other`(cut: Int) {
        let text = Array("h€llo".utf8) + [0xFF]
        let key = MaskingKey(0x37, 0xFA, 0x21, 0x3D)
        var masked = text
        var span = masked.mutableSpan
        key.apply(to: &span, range: 0..<8)
        let expected = verdicts(on: text, in: [0..<cut, cut..<8])

        var bytes = masked
        var inPlace = UTF8Validator()
        var copying = UTF8Validator()
        var output: [UInt8] = []
        var verdicts: (inPlace: [Verdict], copying: [Verdict]) = ([], [])
        for piece in [0..<cut, cut..<8] {
            var span = bytes.mutableSpan
            let isValid = inPlace.validate(
                unmasking: &span,
                range: piece,
                with: key,
                payloadOffset: piece.lowerBound
            )
            verdicts.inPlace.append(isValid ? inPlace.verdict : .invalid)
            output.append(addingCapacity: piece.count) { target in
                let isValid = copying.validate(
                    unmasking: masked.span,
                    range: piece,
                    with: key,
                    payloadOffset: piece.lowerBound,
                    appendingTo: &target
                )
                verdicts.copying.append(isValid ? copying.verdict : .invalid)
            }
        }
        #expect(bytes == text)
        #expect(output == text)
        #expect(verdicts.inPlace == expected)
        #expect(verdicts.copying == expected)
    }
}

extension UTF8Validator {
    fileprivate var verdict: Verdict { isAtBoundary ? .whole : .unfinished }
}

/// What a validator says after a piece.
private enum Verdict: Equatable {
    case whole, unfinished, invalid
}

private func verdicts(on text: [UInt8], in pieces: [Range<Int>]) -> [Verdict] {
    var validator = UTF8Validator()
    return pieces.map { piece in
        guard validator.validate(text.span, range: piece) else { return .invalid }
        return validator.isAtBoundary ? .whole : .unfinished
    }
}
