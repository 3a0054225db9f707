// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

public import CApusCodec

/// A rule that the peer broke, of RFC 6455 or a limit of ours: a value, never thrown, never a trap.
public enum ProtocolViolation: Hashable, Sendable {
    /// A reserved bit is set that no negotiated extension defines.
    case reservedBits
    /// An opcode that RFC 6455 does not define.
    case reservedOpcode
    /// A control frame without FIN.
    case fragmentedControlFrame
    /// A control frame with a payload of over 125 bytes.
    case oversizedControlFrame
    /// A length for which a shorter encoding exists.
    case nonMinimalLength
    /// A 64-bit length with its top bit set.
    case lengthTopBit
    /// A frame without mask from a client.
    case missingMask
    /// A frame with mask from a server.
    case unexpectedMask
    /// Text, or the reason in a close frame, that is not UTF-8.
    case invalidUTF8
    /// A close frame with a payload of one byte.
    case closePayloadTooShort
    /// A close code that must not be on the wire.
    case invalidCloseCode
    /// A continuation frame where no message had begun.
    case continuationWithoutStart
    /// A text or binary frame before the fragmented message was finished.
    case interleavedMessage
    /// A frame over the limit.
    case frameTooBig
    /// A message over the limit.
    case messageTooBig
    /// A message of more frames than the limit.
    case tooManyFragments

    /// The code to close the connection with, RFC 6455 §7.4.1.
    public var closeCode: CloseCode {
        switch self {
        case .invalidUTF8: .invalidPayload
        case .frameTooBig, .messageTooBig: .messageTooBig
        case .tooManyFragments: .policyViolation
        default: .protocolError
        }
    }

    /// The section of RFC 6455 that states the rule, such as "5.2".
    public var rfcSection: String {
        switch self {
        case .missingMask, .unexpectedMask: "5.1"
        case .reservedBits, .reservedOpcode, .nonMinimalLength, .lengthTopBit: "5.2"
        case .continuationWithoutStart, .interleavedMessage: "5.4"
        case .fragmentedControlFrame, .oversizedControlFrame: "5.5"
        case .closePayloadTooShort: "5.5.1"
        case .invalidCloseCode: "7.4"
        case .invalidUTF8: "8.1"
        case .frameTooBig, .messageTooBig, .tooManyFragments: "10.4"
        }
    }

    /// The rule behind a negative result of the C codec.
    @usableFromInline init(_ result: apus_result) {
        switch result {
        case APUS_RESERVED_BITS: self = .reservedBits
        case APUS_RESERVED_OPCODE: self = .reservedOpcode
        case APUS_CONTROL_FRAGMENTED: self = .fragmentedControlFrame
        case APUS_CONTROL_TOO_LONG: self = .oversizedControlFrame
        case APUS_LENGTH_NOT_MINIMAL: self = .nonMinimalLength
        case APUS_LENGTH_TOP_BIT: self = .lengthTopBit
        case APUS_MASK_MISSING: self = .missingMask
        case APUS_MASK_UNEXPECTED: self = .unexpectedMask
        case APUS_INVALID_UTF8: self = .invalidUTF8
        case APUS_CLOSE_PAYLOAD_TOO_SHORT: self = .closePayloadTooShort
        case APUS_CLOSE_CODE_INVALID: self = .invalidCloseCode
        case APUS_CONTINUATION_UNEXPECTED: self = .continuationWithoutStart
        case APUS_CONTINUATION_MISSING: self = .interleavedMessage
        case APUS_FRAME_TOO_BIG: self = .frameTooBig
        case APUS_MESSAGE_TOO_BIG: self = .messageTooBig
        case APUS_TOO_MANY_FRAGMENTS: self = .tooManyFragments
        default: preconditionFailure("the C codec answers with \(result.rawValue)")
        }
    }
}

extension ProtocolViolation: CustomStringConvertible {
    /// A few words for the reason of the Close frame and for logs.
    public var description: String {
        switch self {
        case .reservedBits: "reserved bit set"
        case .reservedOpcode: "reserved opcode"
        case .fragmentedControlFrame: "fragmented control frame"
        case .oversizedControlFrame: "control frame over 125 bytes"
        case .nonMinimalLength: "length not minimal"
        case .lengthTopBit: "length with its top bit set"
        case .missingMask: "frame not masked"
        case .unexpectedMask: "frame masked"
        case .invalidUTF8: "invalid UTF-8"
        case .closePayloadTooShort: "close payload of one byte"
        case .invalidCloseCode: "invalid close code"
        case .continuationWithoutStart: "continuation without a message"
        case .interleavedMessage: "new message inside a fragmented one"
        case .frameTooBig: "frame over the limit"
        case .messageTooBig: "message over the limit"
        case .tooManyFragments: "too many fragments"
        }
    }
}
