// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// UTF-8 byte by byte, from table 3-7 of the Unicode standard and nothing else.
struct UTF8Oracle {
    /// What may come next.
    private enum State: Int, CaseIterable {
        case character, oneMore, twoMore, threeMore
        case afterE0, afterED, afterF0, afterF4
        case rejected
    }

    private static let rules: [(State, ClosedRange<UInt8>, State)] = [
        (.character, 0x00...0x7F, .character),
        (.character, 0xC2...0xDF, .oneMore),
        (.character, 0xE0...0xE0, .afterE0),
        (.character, 0xE1...0xEC, .twoMore),
        (.character, 0xED...0xED, .afterED),
        (.character, 0xEE...0xEF, .twoMore),
        (.character, 0xF0...0xF0, .afterF0),
        (.character, 0xF1...0xF3, .threeMore),
        (.character, 0xF4...0xF4, .afterF4),
        (.oneMore, 0x80...0xBF, .character),
        (.twoMore, 0x80...0xBF, .oneMore),
        (.threeMore, 0x80...0xBF, .twoMore),
        (.afterE0, 0xA0...0xBF, .oneMore),
        (.afterED, 0x80...0x9F, .oneMore),
        (.afterF0, 0x90...0xBF, .twoMore),
        (.afterF4, 0x80...0x8F, .twoMore),
    ]

    private static let table: [Int] = {
        let rejected = State.rejected.rawValue
        var table = Array(repeating: rejected, count: State.allCases.count * 256)
        for (state, bytes, next) in rules {
            for byte in bytes {
                table[state.rawValue * 256 + Int(byte)] = next.rawValue
            }
        }
        return table
    }()

    private let table = Self.table
    private var state = State.character.rawValue

    var isFine: Bool { state != State.rejected.rawValue }
    var isAtBoundary: Bool { state == State.character.rawValue }

    /// Takes one more byte; false from the first one on that no continuation makes valid.
    @discardableResult
    mutating func step(_ byte: UInt8) -> Bool {
        state = table[state * 256 + Int(byte)]
        return isFine
    }
}
