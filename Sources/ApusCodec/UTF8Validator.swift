// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

public import CApusCodec

/// Checks that a text which comes in pieces is UTF-8, RFC 6455 §8.1.
public struct UTF8Validator: Hashable, Sendable {
    @usableFromInline var state: apus_utf8_state = 0

    /// A validator at the start of a text.
    public init() {}

    /// Whether the text so far ends between two characters.
    ///
    /// A text is valid if every piece was and this holds at its end.
    @inlinable public var isAtBoundary: Bool { state == 0 }

    /// Goes back to the start of a text.
    @inlinable
    public mutating func reset() {
        state = 0
    }

    /// Checks the next piece, the bytes of a range; false if no continuation can make it valid.
    ///
    /// A bad byte is found in the piece that holds it; after that only `reset` makes sense. A range
    /// outside of the span is the caller's fault and traps. Calls `apus_utf8_validate`.
    @inlinable
    public mutating func validate(_ bytes: Span<UInt8>, range: Range<Int>) -> Bool {
        precondition(
            range.lowerBound >= 0 && range.upperBound <= bytes.count,
            "a text at \(range) in \(bytes.count) bytes"
        )
        return unsafe bytes.withUnsafeBufferPointer { buffer in
            guard let start = buffer.baseAddress else { return true }
            return unsafe apus_utf8_validate(&state, start + range.lowerBound, range.count)
        }
    }

    /// Unmasks the bytes of a range in place and checks what comes out, in one pass.
    ///
    /// All of them are unmasked, whatever the answer. `payloadOffset` is how many payload bytes of
    /// the frame came before the range. A range outside of the span is the caller's fault and
    /// traps. Calls `apus_mask_utf8`.
    @inlinable
    public mutating func validate(
        unmasking bytes: inout MutableSpan<UInt8>,
        range: Range<Int>,
        with key: MaskingKey,
        payloadOffset: Int = 0
    ) -> Bool {
        precondition(
            range.lowerBound >= 0 && range.upperBound <= bytes.count,
            "a text at \(range) in \(bytes.count) bytes"
        )
        return unsafe bytes.withUnsafeMutableBufferPointer { buffer in
            guard let start = buffer.baseAddress else { return true }
            let first = unsafe start + range.lowerBound
            return unsafe apus_mask_utf8(
                &state,
                first,
                range.count,
                key.wireOrder,
                payloadOffset & 3
            )
        }
    }

    /// Appends the unmasked bytes of a range to `output` and checks them, in one pass.
    ///
    /// An output without room for it is the caller's fault and traps. Calls `apus_mask_utf8_copy`.
    @inlinable
    public mutating func validate(
        unmasking bytes: Span<UInt8>,
        range: Range<Int>,
        with key: MaskingKey,
        payloadOffset: Int = 0,
        appendingTo output: inout OutputSpan<UInt8>
    ) -> Bool {
        var isValid = true
        unsafe withRoom(for: range, of: bytes, in: &output) { target, source in
            isValid = unsafe apus_mask_utf8_copy(
                &state,
                target,
                source,
                range.count,
                key.wireOrder,
                payloadOffset & 3
            )
        }
        return isValid
    }
}
