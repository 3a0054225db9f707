// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

public import CApusCodec

/// What stands before the payload of a frame, RFC 6455 §5.2.
public struct FrameHeader: Hashable, Sendable {
    /// No header takes more bytes than this.
    public static let byteCountMax = Int(APUS_HEADER_SIZE_MAX)

    /// The payload's length in bytes, below 2^63.
    public let payloadByteCount: UInt64

    /// What the payload is XORed with; nil if it is not masked.
    public let maskingKey: MaskingKey?

    /// What the frame is.
    public let opcode: Opcode

    /// RSV1 to RSV3 as on the wire: 0x40, 0x20 and 0x10.
    public let reservedBits: UInt8

    /// Whether it is the last frame of its message.
    public let isFinal: Bool

    /// The header of a frame to be sent.
    ///
    /// A length from 2^63 on, an opcode of over four bits, or bits of `reservedBits` other than
    /// 0x70 are the caller's fault and trap.
    @inlinable
    public init(
        isFinal: Bool = true,
        reservedBits: UInt8 = 0,
        opcode: Opcode,
        payloadByteCount: UInt64,
        maskingKey: MaskingKey? = nil
    ) {
        precondition(payloadByteCount >> 63 == 0, "a payload of \(payloadByteCount) bytes")
        precondition(reservedBits & 0x8F == 0, "reserved bits \(reservedBits)")
        precondition(opcode.rawValue < 16, "opcode \(opcode.rawValue)")
        self.payloadByteCount = payloadByteCount
        self.maskingKey = maskingKey
        self.opcode = opcode
        self.reservedBits = reservedBits
        self.isFinal = isFinal
    }

    /// The same header of a frame that is masked with the key.
    package func masked(with key: MaskingKey) -> FrameHeader {
        FrameHeader(
            isFinal: isFinal,
            reservedBits: reservedBits,
            opcode: opcode,
            payloadByteCount: payloadByteCount,
            maskingKey: key
        )
    }

    /// How many bytes the header takes on the wire: 2 to 14.
    ///
    /// Lengths have one encoding, the shortest, so this holds for received headers as well.
    @inlinable public var headerByteCount: Int {
        let lengthByteCount =
            if payloadByteCount < 126 { 0 } else if payloadByteCount < 65_536 { 2 } else { 8 }
        return 2 + lengthByteCount + (maskingKey == nil ? 0 : 4)
    }

    /// Decodes the header that starts at `offset`.
    ///
    /// A violation is reported at the first byte that proves it, also in a header that is not
    /// complete. `reservedBitsAllowed` are those that negotiated extensions define, as on the wire.
    /// Whether the frame may come at all is for the caller to judge. An offset outside of the span
    /// is the caller's fault and traps. Calls `apus_frame_header_decode`.
    @inlinable
    public static func decode(
        _ bytes: Span<UInt8>,
        from offset: Int = 0,
        as role: Role,
        reservedBitsAllowed: UInt8 = 0
    ) -> FrameHeaderDecoding {
        precondition(
            offset >= 0 && offset <= bytes.count,
            "a header at \(offset) of \(bytes.count) bytes"
        )
        var header = apus_frame_header()
        let result = unsafe bytes.withUnsafeBufferPointer { buffer in
            guard let start = buffer.baseAddress else { return APUS_INCOMPLETE }
            return unsafe apus_frame_header_decode(
                start + offset,
                buffer.count - offset,
                role.cRole,
                reservedBitsAllowed,
                &header
            )
        }
        if result == APUS_OK { return .header(FrameHeader(header)) }
        if result == APUS_INCOMPLETE { return .incomplete }
        return .violation(ProtocolViolation(result))
    }

    @inlinable
    init(_ header: apus_frame_header) {
        payloadByteCount = header.payload_size
        maskingKey = header.is_masked == 0 ? nil : MaskingKey(wireOrder: header.masking_key)
        opcode = Opcode(rawValue: header.opcode)
        reservedBits = header.bits & 0x70
        isFinal = header.bits & 0x80 != 0
    }

    /// Writes the header to the start of `output` and returns `headerByteCount`.
    ///
    /// An output with less room is the caller's fault and traps; what lies behind the header is not
    /// touched.
    public func encode(into output: inout MutableSpan<UInt8>) -> Int {
        precondition(output.count >= headerByteCount, "a header into \(output.count) bytes")
        return unsafe output.withUnsafeMutableBufferPointer { buffer in
            guard let start = buffer.baseAddress else { return 0 }
            return unsafe encode(to: start)
        }
    }

    /// The same behind a pointer to room for `headerByteCount` bytes.
    ///
    /// Calls `apus_frame_header_encode`.
    @unsafe @inlinable
    package func encode(to output: UnsafeMutablePointer<UInt8>) -> Int {
        let firstByte = (isFinal ? 0x80 : 0) | reservedBits | opcode.rawValue
        guard let maskingKey else {
            guard payloadByteCount > 125 else {
                // As most are; not worth a call, RFC 6455 §5.2.
                unsafe output[0] = firstByte
                unsafe output[1] = UInt8(truncatingIfNeeded: payloadByteCount)
                return 2
            }
            return unsafe apus_frame_header_encode(output, firstByte, payloadByteCount, nil)
        }
        return unsafe withUnsafeBytes(of: maskingKey.wireOrder) { key in
            unsafe apus_frame_header_encode(
                output,
                firstByte,
                payloadByteCount,
                key.bindMemory(to: UInt8.self).baseAddress
            )
        }
    }
}

/// What `FrameHeader.decode` found.
public enum FrameHeaderDecoding: Hashable, Sendable {
    /// A whole header that follows the rules.
    case header(FrameHeader)
    /// Fine so far, but more bytes are needed.
    case incomplete
    /// The rule that the peer broke.
    case violation(ProtocolViolation)
}
