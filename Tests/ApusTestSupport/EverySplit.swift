// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// The ways in which a stream may cut bytes into pieces.
package enum EverySplit {
    /// Every cut into two pieces, empty ones included.
    package static func inTwo(_ byteCount: Int) -> [[Range<Int>]] {
        (0...byteCount).map { cut in [0..<cut, cut..<byteCount] }
    }

    /// Every cut into three pieces, empty ones included; grows with the square of the count.
    package static func inThree(_ byteCount: Int) -> [[Range<Int>]] {
        (0...byteCount).flatMap { first in
            (first...byteCount).map { second in
                [0..<first, first..<second, second..<byteCount]
            }
        }
    }

    /// One piece for every byte.
    package static func byteByByte(_ byteCount: Int) -> [Range<Int>] {
        (0..<byteCount).map { index in index..<(index + 1) }
    }
}
