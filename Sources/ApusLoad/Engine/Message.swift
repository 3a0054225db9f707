// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import Glibc

/// What the messages of a run are: each a function of its connection and its sequence number alone.
///
/// So nothing is kept to check a reply against, nor to go on with a message that the kernel took a
/// part of. A payload is words of eight letters, `0` to `o`, of six bits each, the lowest first:
///
/// 1. the sequence number, plus a number of its connection's own, modulo 2^48;
/// 2. the connection's number, 24 bits, and 24 bits of the hash of both; in a message with a stamp
///    that in place of them, and the hash is one of the stamp as well;
/// 3. filler that depends on the hash: up to byte 128 a different word at each place, behind that a
///    piece of ``FillerTable/letters`` that begins where the hash says.
///
/// What does not fit is cut off. Of messages that are to be compressed the filler is only three
/// letters that depend on the hash, and then ``FillerTable/trades``: the same in all.
struct MessagePattern {
    let sizes: ClosedRange<Int>
    let seed: UInt64
    let isCompressible: Bool

    init(sizes: ClosedRange<Int>, seed: UInt64, isCompressible: Bool = false) {
        self.sizes = sizes
        self.seed = seed
        self.isCompressible = isCompressible
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
            isCompressible: isCompressible,
            first: sequence &+ origin.base,
            second: origin.connection & 0xFF_FFFF | (hash >> 40) << 24
        )
    }

    /// The same, as long and with a time in place of its second word.
    ///
    /// All that follows depends on the time: one that was changed on the way fits nothing, and is
    /// not taken for another time.
    func message(
        _ sequence: UInt64,
        from origin: MessageOrigin,
        stamp: UInt64
    ) -> Message {
        let hash = Mixer.mix(origin.base, sequence)
        return Message(
            hash: Mixer.mix(hash, stamp & SixBits.numberMask),
            byteCount: byteCount(hash),
            isCompressible: isCompressible,
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
    private let isCompressible: Bool
    private let first: UInt64
    private let second: UInt64

    init(hash: UInt64, byteCount: Int, isCompressible: Bool, first: UInt64, second: UInt64) {
        self.hash = hash
        self.byteCount = byteCount
        self.isCompressible = isCompressible
        self.first = first
        self.second = second
    }

    /// Random enough for what it is for: that no cache on the way meets the same bytes twice.
    @inline(__always)
    var maskingKey: MaskingKey {
        MaskingKey(wireOrder: UInt32(truncatingIfNeeded: hash ^ hash >> 32))
    }

    /// Of one that is to be compressed, the bytes that others do not share.
    static let ownByteCount = 19

    /// The eight bytes at 8 * `index`.
    @inline(__always)
    func word(_ index: Int) -> UInt64 {
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

    /// The words before this one are reckoned, those from it on are looked up.
    private static var reckonedCount: Int { 16 }

    /// Writes the words of a range of indices, masked; the last one may reach beyond the payload.
    @unsafe
    @inline(__always)
    func write(_ indices: Range<Int>, to target: UnsafeMutableRawPointer) {
        let key = UInt64(UInt32(littleEndian: maskingKey.wireOrder))
        let mask = key | key << 32
        var index = indices.lowerBound
        var place = unsafe target
        while index < min(2, indices.upperBound) {
            let masked = word(index) ^ mask
            unsafe place.storeBytes(of: masked.littleEndian, as: UInt64.self)
            unsafe place += 8
            index += 1
        }
        while index < min(Self.reckonedCount, indices.upperBound) {
            let masked = filler(index) ^ mask
            unsafe place.storeBytes(of: masked.littleEndian, as: UInt64.self)
            unsafe place += 8
            index += 1
        }
        guard index < indices.upperBound else { return }
        unsafe FillerTable.letters.forEachPiece(
            from: tableStart + 8 * index,
            (indices.upperBound - index) * 8
        ) {
            piece in
            unsafe maskingKey.copy(piece, to: place)
            unsafe place += piece.count
        }
    }

    /// Whether the payload has these bytes at `offset`; whether more of it follows is not asked.
    @inline(__always)
    func matches(_ bytes: UnsafeRawBufferPointer, at offset: Int = 0) -> Bool {
        guard offset + bytes.count <= byteCount else { return false }
        let reckonedByteCount = isCompressible ? Self.ownByteCount : 8 * Self.reckonedCount
        let reckoned = max(0, min(bytes.count, reckonedByteCount - offset))
        if reckoned > 0 {
            let head = unsafe UnsafeRawBufferPointer(rebasing: bytes[..<reckoned])
            let isEqual =
                offset & 7 == 0
                ? unsafe matchesReckoned(head, at: offset)
                : unsafe matchesUnaligned(head, at: offset)
            guard isEqual else { return false }
        }
        guard reckoned < bytes.count else { return true }
        return unsafe matchesTable(bytes, from: reckoned, at: offset)
    }

    @inline(never)
    private func matchesTable(
        _ bytes: UnsafeRawBufferPointer,
        from start: Int,
        at offset: Int
    ) -> Bool {
        var position = start
        var isEqual = true
        let table = isCompressible ? FillerTable.trades : FillerTable.letters
        let place = (isCompressible ? 0 : tableStart) + offset + start
        unsafe table.forEachPiece(from: place, bytes.count - start) { piece in
            if isEqual, let expected = piece.baseAddress, let base = bytes.baseAddress {
                isEqual = unsafe memcmp(base + position, expected, piece.count) == 0
            }
            position += piece.count
        }
        return isEqual
    }

    /// Where in the table byte 0 of the payload would be.
    private var tableStart: Int { Int(truncatingIfNeeded: hash >> 3) & 0xFFF8 }

    @inline(__always)
    private func matchesReckoned(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> Bool {
        var difference: UInt64 = 0
        var position = 0
        var index = offset >> 3
        while position + 8 <= bytes.count {
            difference |= unsafe load(bytes, position) ^ word(index)
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
        let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[head...])
        return unsafe matchesReckoned(rest, at: offset + head)
    }

    @unsafe
    @inline(__always)
    private func load(_ bytes: UnsafeRawBufferPointer, _ position: Int) -> UInt64 {
        UInt64(littleEndian: unsafe bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self))
    }
}
