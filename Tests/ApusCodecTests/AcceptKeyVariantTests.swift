// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusTestSupport
import Testing

extension InstructionSetTests {
    @Suite("Accept keys") struct AcceptKeys {
        @Test(arguments: Variant.available)
        func `a variant answers a key as the standards do`(variant: Variant) {
            let digits = Array(
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8
            )
            var random = SplitMix(seed: 1)
            variant.use {
                #expect(
                    AcceptKey.accept(for: "dGhlIHNhbXBsZSBub25jZQ==")
                        == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
                )
                for _ in 0..<200 {
                    let key = random.bytes(22).map { digits[Int($0 % 64)] } + Array("==".utf8)
                    let message = key + Array("258EAFA5-E914-47DA-95CA-C5AB0DC85B11".utf8)
                    let bits = sha1(message).flatMap { word in
                        (0..<32).map { word >> (31 - $0) & 1 }
                    }
                    let expected = stride(from: 0, to: 162, by: 6).map { start in
                        digits[Int((bits + [0, 0])[start..<start + 6].reduce(0) { $0 << 1 | $1 })]
                    }
                    let accept = AcceptKey.accept(for: key.span)
                    #expect(Array(accept.utf8) == expected + Array("=".utf8))
                }
            }
        }
    }
}

/// FIPS 180-4 §6.1.2.
private func sha1(_ message: [UInt8]) -> [UInt32] {
    let zeroCount = (119 - message.count % 64) % 64
    let bitCount = UInt64(message.count) * 8
    let padded =
        message + [0x80] + [UInt8](repeating: 0, count: zeroCount)
        + (0..<8).map { UInt8(truncatingIfNeeded: bitCount >> (56 - 8 * $0)) }
    var hash: [UInt32] = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0]
    for start in stride(from: 0, to: padded.count, by: 64) {
        var words = stride(from: start, to: start + 64, by: 4).map { at in
            padded[at..<at + 4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        }
        for t in 16..<80 {
            words.append((words[t - 3] ^ words[t - 8] ^ words[t - 14] ^ words[t - 16]).rotated(1))
        }
        var (a, b, c, d, e) = (hash[0], hash[1], hash[2], hash[3], hash[4])
        for t in 0..<80 {
            let mixed: UInt32
            switch t {
            case 0..<20: mixed = ((b & c) ^ (~b & d)) &+ 0x5A82_7999
            case 20..<40: mixed = (b ^ c ^ d) &+ 0x6ED9_EBA1
            case 40..<60: mixed = ((b & c) ^ (b & d) ^ (c & d)) &+ 0x8F1B_BCDC
            default: mixed = (b ^ c ^ d) &+ 0xCA62_C1D6
            }
            (a, b, c, d, e) = (a.rotated(5) &+ mixed &+ e &+ words[t], a, b.rotated(30), c, d)
        }
        hash = zip(hash, [a, b, c, d, e]).map { $0 &+ $1 }
    }
    return hash
}

extension UInt32 {
    fileprivate func rotated(_ bits: UInt32) -> UInt32 {
        self << bits | self >> (32 - bits)
    }
}
