// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import CApusCodec

extension DecoderLog {
    /// What must come of a stream: §5.4 to §5.6 written down once more, frame after frame, on a
    /// stream that is there as a whole, and with the byte-wise judge of UTF-8.
    init(expectedOf stream: [UInt8], as role: Role, options: apus_decoder_options) {
        var position = 0
        var opcode: UInt8 = 0
        var byteCount: UInt64 = 0
        var frameCount: UInt32 = 0
        var text = UTF8Oracle()
        var isFirst = true
        var messageBits: UInt8 = 0
        while true {
            let header: FrameHeader
            let first = position < stream.count ? stream[position] & 0x0F : 0
            let decoding = FrameHeader.decode(
                stream,
                from: position,
                as: role,
                reservedBitsAllowed: options.reserved_bits_allowed
                    | (first == 1 || first == 2 ? options.message_bits_allowed : 0)
            )
            switch decoding {
            case .incomplete: return
            case .violation(let violation):
                result = Self.result(of: violation)
                return
            case .header(let decoded): header = decoded
            }
            position += header.headerByteCount
            let left = stream.count - position
            let isWhole = header.payloadByteCount <= UInt64(left)
            let end = isWhole ? position + Int(header.payloadByteCount) : stream.count
            var payload = Array(stream[position..<end])
            header.maskingKey?.apply(to: &payload, range: payload.indices)
            position = end

            if header.opcode.isControl {
                guard isWhole else { return }
                note(reservedBits: header.reservedBits)
                switch header.opcode {
                case .ping: entries.append(.ping(payload))
                case .pong: entries.append(.pong(payload))
                default:
                    appendClose(payload)
                    return
                }
                continue
            }
            if header.opcode == .continuation {
                guard opcode != 0 else {
                    result = APUS_CONTINUATION_UNEXPECTED
                    return
                }
            } else {
                guard opcode == 0 else {
                    result = APUS_CONTINUATION_MISSING
                    return
                }
                (opcode, byteCount, frameCount) = (header.opcode.rawValue, 0, 0)
                (text, isFirst) = (UTF8Oracle(), true)
                messageBits = header.reservedBits
            }
            guard header.payloadByteCount <= options.frame_size_max else {
                result = APUS_FRAME_TOO_BIG
                return
            }
            byteCount += header.payloadByteCount
            guard byteCount <= options.message_size_max else {
                result = APUS_MESSAGE_TOO_BIG
                return
            }
            frameCount += 1
            guard frameCount <= options.fragment_count_max else {
                result = APUS_TOO_MANY_FRAGMENTS
                return
            }
            let isLast = isWhole && header.isFinal
            if opcode == Opcode.text.rawValue, options.check_utf8 != 0, messageBits == 0 {
                payload.forEach { text.step($0) }
                guard text.isFine, !isLast || text.isAtBoundary else {
                    result = APUS_INVALID_UTF8
                    return
                }
            }
            if !payload.isEmpty || isLast {
                if isFirst { note(reservedBits: messageBits) }
                append(opcode: opcode, bytes: payload, isFirst: isFirst, isLast: isLast)
                isFirst = false
            }
            if isLast { opcode = 0 }
            guard isWhole else { return }
        }
    }

    private mutating func appendClose(_ payload: [UInt8]) {
        switch ClosePayload.decode(payload, range: payload.indices) {
        case .violation(let violation): result = Self.result(of: violation)
        case .payload(let close):
            let reason = Array(payload[close.reasonRange])
            entries.append(.close(code: close.code.rawValue, reason: reason))
        }
    }

    private static func result(of violation: ProtocolViolation) -> apus_result {
        switch violation {
        case .reservedBits: APUS_RESERVED_BITS
        case .reservedOpcode: APUS_RESERVED_OPCODE
        case .fragmentedControlFrame: APUS_CONTROL_FRAGMENTED
        case .oversizedControlFrame: APUS_CONTROL_TOO_LONG
        case .nonMinimalLength: APUS_LENGTH_NOT_MINIMAL
        case .lengthTopBit: APUS_LENGTH_TOP_BIT
        case .missingMask: APUS_MASK_MISSING
        case .unexpectedMask: APUS_MASK_UNEXPECTED
        case .invalidUTF8: APUS_INVALID_UTF8
        case .closePayloadTooShort: APUS_CLOSE_PAYLOAD_TOO_SHORT
        case .invalidCloseCode: APUS_CLOSE_CODE_INVALID
        case .continuationWithoutStart: APUS_CONTINUATION_UNEXPECTED
        case .interleavedMessage: APUS_CONTINUATION_MISSING
        case .frameTooBig: APUS_FRAME_TOO_BIG
        case .messageTooBig: APUS_MESSAGE_TOO_BIG
        case .tooManyFragments: APUS_TOO_MANY_FRAGMENTS
        }
    }
}
