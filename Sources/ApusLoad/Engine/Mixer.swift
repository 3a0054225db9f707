// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// Numbers that look random, each a function of two others: nothing is kept, everything can be had
/// again (splitmix64).
enum Mixer {
    static let step: UInt64 = 0x9E37_79B9_7F4A_7C15

    @inline(__always)
    static func mix(_ seed: UInt64, _ index: UInt64) -> UInt64 {
        var value = seed &+ index &* step
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }
}
