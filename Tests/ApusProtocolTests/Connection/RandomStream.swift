// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusTestSupport

/// Streams that a peer might send: good frames, bad ones, and good ones with bytes changed.
struct RandomStream {
    var random: SplitMix
    let role: Role

    init(seed: UInt64, role: Role) {
        random = SplitMix(seed: seed)
        self.role = role
    }

    mutating func next() -> [UInt8] {
        var bytes: [UInt8] = []
        switch Int.random(in: 0..<8, using: &random) {
        case 0:
            bytes = random.bytes(Int.random(in: 0...60, using: &random))
        case 1:
            // A good first byte gets random bytes further in.
            bytes = [[0x81, 0x82, 0x01, 0x89, 0x88, 0x80].randomElement(using: &random) ?? 0x81]
            bytes += random.bytes(40)
        default:
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                bytes += frame()
            }
        }
        if Bool.random(using: &random) { mutate(&bytes) }
        return bytes
    }

    private mutating func frame() -> [UInt8] {
        let key = Bool.random(using: &random) ? random.bytes(4) : [0, 0, 0, 0]
        let peer = WireBytes(maskingKey: role == .server ? key : nil)
        let isFinal = Bool.random(using: &random)
        switch Int.random(in: 0..<12, using: &random) {
        case 0: return peer.ping(random.bytes(Int.random(in: 0...20, using: &random)))
        case 1: return peer.pong(random.bytes(Int.random(in: 0...3, using: &random)))
        case 2: return peer.text(random.bytes(3), isFinal: isFinal)
        case 3, 4: return peer.text(text(), isFinal: isFinal)
        case 5, 6: return peer.binary(payload(), isFinal: isFinal)
        case 7, 8: return peer.continuation(text(), isFinal: isFinal)
        case 9: return peer.continuation(payload(), isFinal: isFinal)
        case 10:
            guard Int.random(in: 0..<4, using: &random) == 0 else { return peer.ping() }
            return peer.close(UInt16.random(in: 998...1016, using: &random), text())
        default:
            guard Int.random(in: 0..<4, using: &random) == 0 else { return peer.continuation([]) }
            let length = [[5], [126, 0, 5], [126, 1, 0], [127] + random.bytes(8)]
            return peer.header(
                firstByte: UInt8.random(in: 0...255, using: &random),
                length: length.randomElement(using: &random) ?? [0]
            )
        }
    }

    private mutating func payload() -> [UInt8] {
        random.bytes([0, 1, 2, 7, 8, 9, 33, 126, 130].randomElement(using: &random) ?? 0)
    }

    /// UTF-8, perhaps with the first or the last byte cut off.
    private mutating func text() -> [UInt8] {
        let texts = ["", "a", "é", "€uro", "😀", "plain text", "aé€😀z", "\u{10FFFF}"]
        let bytes = Array((texts.randomElement(using: &random) ?? "").utf8)
        switch Int.random(in: 0..<6, using: &random) {
        case 0: return Array(bytes.dropLast())
        case 1: return Array(bytes.dropFirst())
        default: return bytes
        }
    }

    private mutating func mutate(_ bytes: inout [UInt8]) {
        for _ in 0..<Int.random(in: 1...3, using: &random) where !bytes.isEmpty {
            let index = Int.random(in: 0..<bytes.count, using: &random)
            switch Int.random(in: 0..<4, using: &random) {
            case 0: bytes.remove(at: index)
            case 1: bytes.insert(UInt8.random(in: 0...255, using: &random), at: index)
            case 2: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            default: bytes = Array(bytes[..<index])
            }
        }
    }
}
