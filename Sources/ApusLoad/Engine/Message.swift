// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec

/// What the messages of a run are: each a function of its connection and its sequence number alone.
///
/// So nothing is kept to check a reply against, nor to go on with a message that the kernel took a
/// part of. A payload is words of eight letters, `0` to `o`, of six bits each, the lowest first:
///
/// 1. the sequence number, plus a number of its connection's own, modulo 2^48;
/// 2. the connection's number, 24 bits, and 24 bits of the hash of both; in a message with a stamp
///    that in place of them;
/// 3. filler that depends on the hash, a different word at each place.
///
/// What does not fit is cut off.
struct MessagePattern {
    let sizes: ClosedRange<Int>
    let seed: UInt64

    init(sizes: ClosedRange<Int>, seed: UInt64) {
        self.sizes = sizes
        self.seed = seed
    }

    /// What sets the messages of a connection apart from those of others.
    func origin(of connection: UInt64) -> MessageOrigin {
        MessageOrigin(connection: connection, base: Mixer.mix(seed, connection &+ 1))
    }

    @inline(__always)
    func message(_ sequence: UInt64, from origin: MessageOrigin) -> Message {
        let hash = Mixer.mix(origin.base, sequence)
        return Message(
            hash: hash,
            byteCount: byteCount(hash),
            first: sequence &+ origin.base,
            second: origin.connection & 0xFF_FFFF | (hash >> 40) << 24
        )
    }

    /// The same with a time in place of its second word.
    func message(
        _ sequence: UInt64,
        from origin: MessageOrigin,
        stamp: UInt64
    ) -> Message {
        let hash = Mixer.mix(origin.base, sequence)
        return Message(
            hash: hash,
            byteCount: byteCount(hash),
            first: sequence &+ origin.base,
            second: stamp
        )
    }

    @inline(__always)
    private func byteCount(_ hash: UInt64) -> Int {
        let count = UInt64(sizes.count)
        if count == 1 { return sizes.lowerBound }
        return sizes.lowerBound + Int(Mixer.mix(hash, 1).multipliedFullWidth(by: count).high)
    }
}

/// What the messages of one connection have in common.
struct MessageOrigin {
    let connection: UInt64
    fileprivate let base: UInt64

    /// The sequence number in the first bytes of a payload, as near to `expected` as those allow;
    /// nil if they are none of ours.
    func sequence(in bytes: UnsafeRawBufferPointer, near expected: UInt64) -> UInt64? {
        let digitCount = min(bytes.count, 8)
        var number: UInt64 = 0
        for index in 0..<digitCount {
            guard let digit = unsafe SixBits.digit(bytes[index]) else { return nil }
            number |= digit << UInt64(6 * index)
        }
        let modulus: UInt64 = 1 << UInt64(6 * digitCount)
        // How far it is ahead, as a signed number of that many bits.
        let ahead = (number &- base &- expected) & (modulus &- 1)
        return ahead < modulus / 2 || digitCount == 0
            ? expected &+ ahead : expected &- (modulus &- ahead)
    }
}

/// A message's payload, as a rule for its bytes.
struct Message {
    /// What the filler and the masking key come from.
    let hash: UInt64
    let byteCount: Int
    private let first: UInt64
    private let second: UInt64

    init(hash: UInt64, byteCount: Int, first: UInt64, second: UInt64) {
        self.hash = hash
        self.byteCount = byteCount
        self.first = first
        self.second = second
    }

    /// Random enough for what it is for: that no cache on the way meets the same bytes twice.
    @inline(__always)
    var maskingKey: MaskingKey {
        MaskingKey(wireOrder: UInt32(truncatingIfNeeded: hash ^ hash >> 32))
    }

    /// The eight bytes at 8 * `index`.
    @inline(__always)
    private func word(_ index: Int) -> UInt64 {
        switch index {
        case 0: SixBits.letters(first)
        case 1: SixBits.letters(second)
        default: filler(index)
        }
    }

    @inline(__always)
    private func filler(_ index: Int) -> UInt64 {
        let value = hash &+ UInt64(truncatingIfNeeded: index) &* Mixer.step
        return SixBits.letters(of: value ^ value >> 29)
    }

    /// Writes the words of a range of indices, masked; the last one may reach beyond the payload.
    @unsafe
    @inline(__always)
    func write(_ indices: Range<Int>, masked mask: UInt64, to target: UnsafeMutableRawPointer) {
        var index = indices.lowerBound
        var place = unsafe target
        while index < min(2, indices.upperBound) {
            let masked = word(index) ^ mask
            unsafe place.storeBytes(of: masked.littleEndian, as: UInt64.self)
            unsafe place += 8
            index += 1
        }
        while index < indices.upperBound {
            let masked = filler(index) ^ mask
            unsafe place.storeBytes(of: masked.littleEndian, as: UInt64.self)
            unsafe place += 8
            index += 1
        }
    }

    /// Whether the payload has these bytes at `offset`; whether more of it follows is not asked.
    @inline(__always)
    func matches(_ bytes: UnsafeRawBufferPointer, at offset: Int = 0) -> Bool {
        guard offset + bytes.count <= byteCount else { return false }
        guard offset & 7 == 0 else { return unsafe matchesUnaligned(bytes, at: offset) }
        var difference: UInt64 = 0
        var position = 0
        var index = offset >> 3
        while index < 2, position + 8 <= bytes.count {
            difference |= unsafe load(bytes, position) ^ word(index)
            position += 8
            index += 1
        }
        while position + 8 <= bytes.count {
            difference |= unsafe load(bytes, position) ^ filler(index)
            position += 8
            index += 1
        }
        let rest = bytes.count - position
        if rest > 0 {
            let expected = word(index)
            if bytes.count >= 8 {
                // The last eight bytes once more: those behind what was compared are on top.
                let last = unsafe load(bytes, bytes.count - 8) >> UInt64(8 * (8 - rest))
                difference |= (last ^ expected) & (1 << UInt64(8 * rest) - 1)
            } else {
                for place in 0..<rest {
                    let byte = UInt64(unsafe bytes[position + place])
                    difference |= (expected >> UInt64(8 * place) ^ byte) & 0xFF
                }
            }
        }
        return difference == 0
    }

    @inline(never)
    private func matchesUnaligned(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> Bool {
        let head = min(8 - offset & 7, bytes.count)
        for position in 0..<head {
            let place = offset + position
            let expected = UInt8(truncatingIfNeeded: word(place >> 3) >> UInt64(8 * (place & 7)))
            guard unsafe bytes[position] == expected else { return false }
        }
        guard head < bytes.count else { return true }
        return unsafe matches(UnsafeRawBufferPointer(rebasing: bytes[head...]), at: offset + head)
    }

    @unsafe
    @inline(__always)
    private func load(_ bytes: UnsafeRawBufferPointer, _ position: Int) -> UInt64 {
        UInt64(littleEndian: unsafe bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self))
    }
}

/// Numbers as letters that are valid text, six bits each, the lowest first.
enum SixBits {
    private static let low: UInt64 = 0x3F3F_3F3F_3F3F_3F3F
    private static let zero: UInt64 = 0x3030_3030_3030_3030

    /// The lowest 48 bits as eight letters.
    @inline(__always)
    static func letters(_ number: UInt64) -> UInt64 {
        var bits = number & 0xFF_FFFF | (number & 0xFFFF_FF00_0000) << 8
        bits = bits & 0x0000_0FFF_0000_0FFF | (bits & 0x00FF_F000_00FF_F000) << 4
        bits = bits & 0x003F_003F_003F_003F | (bits & 0x0FC0_0FC0_0FC0_0FC0) << 2
        return bits &+ zero
    }

    /// Eight letters of six of the bits of each byte.
    @inline(__always)
    static func letters(of bits: UInt64) -> UInt64 {
        bits & low &+ zero
    }

    /// The number of eight letters; what is no letter of ours gives some number or other.
    static func number(_ letters: UInt64) -> UInt64 {
        var bits = (letters &- zero) & low
        bits = bits & 0x003F_003F_003F_003F | (bits & 0x3F00_3F00_3F00_3F00) >> 2
        bits = bits & 0x0000_0FFF_0000_0FFF | (bits & 0x0FFF_0000_0FFF_0000) >> 4
        return bits & 0xFF_FFFF | (bits & 0x00FF_FFFF_0000_0000) >> 8
    }

    static func digit(_ letter: UInt8) -> UInt64? {
        0x30...0x6F ~= letter ? UInt64(letter - 0x30) : nil
    }
}
