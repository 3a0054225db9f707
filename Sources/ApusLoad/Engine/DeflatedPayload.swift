// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusDeflate

/// Payloads of one size as permessage-deflate sends them, RFC 7692, for next to no work.
///
/// What a message does not share with others is a block that is stored, RFC 1951 §3.2.4; what is the
/// same in all comes behind it, and was compressed once.
struct DeflatedPayload {
    /// The stored block: its header, and so many bytes that the rest begins where the key does.
    static let ownByteCount = headerByteCount + Message.ownByteCount
    private static let headerByteCount = 5
    /// No compression, and not the last one; a length of 19, and its complement.
    private static let header: UInt64 = 0xFF_EC00_1300

    let byteCount: Int
    private let shared: [UInt8]

    /// For messages of so many bytes, more than they have of their own.
    init(messageByteCount: Int) {
        precondition(messageByteCount > Message.ownByteCount, "nothing is shared")
        var text: [UInt8] = []
        let count = messageByteCount - Message.ownByteCount
        text.reserveCapacity(count)
        unsafe FillerTable.trades.forEachPiece(from: Message.ownByteCount, count) {
            unsafe text += $0
        }
        let deflater = Deflater(Deflater.Settings(windowBits: 15, level: 6))
        var output = [UInt8](repeating: 0, count: Deflater.byteCountMax(for: count))
        let result = unsafe text.withUnsafeBytes { text in
            unsafe output.withUnsafeMutableBytes { unsafe deflater.compress(text, into: $0) }
        }
        guard let result else { preconditionFailure("\(count) bytes grew beyond all measure") }
        shared = Array(output[..<(result - Deflater.tail.count)])
        byteCount = Self.ownByteCount + shared.count
    }

    /// Writes all of a message's, masked.
    @unsafe
    @inline(__always)
    func write(_ message: Message, to target: UnsafeMutableRawPointer) {
        unsafe writeOwn(message, to: target)
        unsafe writeShared(0..<shared.count, of: message, to: target + Self.ownByteCount)
    }

    /// Writes the stored block, masked.
    @unsafe
    @inline(__always)
    func writeOwn(_ message: Message, to target: UnsafeMutableRawPointer) {
        let key = UInt64(UInt32(littleEndian: message.maskingKey.wireOrder))
        let mask = key | key << 32
        // Five bytes of the header, and so three of each word with five of the one before it.
        var rest = Self.header
        for index in 0..<3 {
            let word = message.word(index)
            unsafe target.storeBytes(
                of: (mask ^ (rest | word << 40)).littleEndian,
                toByteOffset: 8 * index,
                as: UInt64.self
            )
            rest = word >> 24
        }
    }

    /// Writes a part of what comes behind that, which begins at a multiple of four, masked.
    @unsafe
    @inline(__always)
    func writeShared(_ range: Range<Int>, of message: Message, to target: UnsafeMutableRawPointer) {
        assert(range.lowerBound % 4 == 0, "the key begins elsewhere")
        unsafe shared.withUnsafeBytes { shared in
            let part = unsafe UnsafeRawBufferPointer(rebasing: shared[range])
            unsafe message.maskingKey.copy(part, to: target)
        }
    }
}
