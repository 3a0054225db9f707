// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

public import CApusCodec

/// The four bytes that a client's payload is XORed with, RFC 6455 §5.3.
public struct MaskingKey: Hashable, Sendable {
    /// The four bytes in the order of the wire, as they lie in memory.
    public let wireOrder: UInt32

    /// The key whose bytes lie in memory as on the wire.
    public init(wireOrder: UInt32) {
        self.wireOrder = wireOrder
    }

    /// The key with these four bytes, the first on the wire first.
    public init(_ first: UInt8, _ second: UInt8, _ third: UInt8, _ fourth: UInt8) {
        let bigEndian =
            UInt32(first) << 24 | UInt32(second) << 16 | UInt32(third) << 8 | UInt32(fourth)
        self.init(wireOrder: UInt32(bigEndian: bigEndian))
    }

    /// Masks the bytes of a range in place, or unmasks them: both are the same.
    ///
    /// `payloadOffset` is how many payload bytes of the frame came before the range. A range
    /// outside of the span is the caller's fault and traps. Calls `apus_mask`.
    @inlinable
    public func apply(
        to bytes: inout MutableSpan<UInt8>,
        range: Range<Int>,
        payloadOffset: Int = 0
    ) {
        precondition(
            range.lowerBound >= 0 && range.upperBound <= bytes.count,
            "a mask for \(range) in \(bytes.count) bytes"
        )
        unsafe bytes.withUnsafeMutableBufferPointer { buffer in
            guard let start = buffer.baseAddress else { return }
            let first = unsafe start + range.lowerBound
            unsafe apus_mask(first, range.count, wireOrder, payloadOffset & 3)
        }
    }

    /// Appends the masked bytes of a range to `output`; the bytes themselves stay as they are.
    ///
    /// An output without room for it is the caller's fault and traps. Calls `apus_mask_copy`.
    @inlinable
    public func apply(
        to bytes: Span<UInt8>,
        range: Range<Int>,
        payloadOffset: Int = 0,
        appendingTo output: inout OutputSpan<UInt8>
    ) {
        unsafe withRoom(for: range, of: bytes, in: &output) { target, source in
            unsafe apus_mask_copy(target, source, range.count, wireOrder, payloadOffset & 3)
        }
    }
}

extension MaskingKey {
    /// Writes the bytes, masked, to memory that has room for them and does not overlap them.
    ///
    /// They are the start of a frame's payload. Calls `apus_mask_copy`.
    @unsafe
    package func copy(_ bytes: UnsafeRawBufferPointer, to output: UnsafeMutableRawPointer) {
        guard let start = bytes.baseAddress else { return }
        unsafe apus_mask_copy(
            output.assumingMemoryBound(to: UInt8.self),
            start.assumingMemoryBound(to: UInt8.self),
            bytes.count,
            wireOrder,
            0
        )
    }
}

/// Calls `body` with where to write and where to read the bytes of a range; they are appended.
@unsafe
@inlinable @inline(__always)
func withRoom(
    for range: Range<Int>,
    of bytes: Span<UInt8>,
    in output: inout OutputSpan<UInt8>,
    _ body: (_ target: UnsafeMutablePointer<UInt8>, _ source: UnsafePointer<UInt8>) -> Void
) {
    precondition(
        range.lowerBound >= 0 && range.upperBound <= bytes.count,
        "the range \(range) of \(bytes.count) bytes"
    )
    precondition(
        range.count <= output.freeCapacity,
        "\(range.count) bytes into room for \(output.freeCapacity)"
    )
    unsafe output.withUnsafeMutableBufferPointer { target, initializedCount in
        unsafe bytes.withUnsafeBufferPointer { source in
            guard let target = target.baseAddress, let source = source.baseAddress else { return }
            unsafe body(target + initializedCount, source + range.lowerBound)
            initializedCount += range.count
        }
    }
}
