// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

public import ApusCodec

/// A rule that the peer broke on an open connection: a value, never thrown, never a trap.
public enum ProtocolViolation: Equatable, Sendable {
    /// A rule that a single header or payload shows.
    case codec(CodecViolation)

    /// A continuation frame where no message had begun.
    case continuationWithoutStart

    /// A text or binary frame before the fragmented message was finished.
    case interleavedMessage

    /// A frame larger than ``ConnectionConfiguration/frameByteCountMax``.
    case frameTooBig

    /// A message larger than ``ConnectionConfiguration/messageByteCountMax``.
    case messageTooBig

    /// A message of more frames than ``ConnectionConfiguration/fragmentCountMax``.
    case tooManyFragments

    /// The code to close with, RFC 6455 §7.4.1.
    public var closeCode: CloseCode {
        switch self {
        case .codec(let violation): violation.closeCode
        case .continuationWithoutStart, .interleavedMessage: .protocolError
        case .frameTooBig, .messageTooBig: .messageTooBig
        case .tooManyFragments: .policyViolation
        }
    }

    /// The section of RFC 6455 that has the rule.
    public var rfcSection: String {
        switch self {
        case .codec(let violation): violation.rfcSection
        case .continuationWithoutStart, .interleavedMessage: "5.4"
        case .frameTooBig, .messageTooBig, .tooManyFragments: "10.4"
        }
    }
}

extension ProtocolViolation: CustomStringConvertible {
    /// A few words for the reason of the Close frame and for logs.
    public var description: String {
        switch self {
        case .codec(let violation):
            switch violation {
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
            }
        case .continuationWithoutStart: "continuation without a message"
        case .interleavedMessage: "new message inside a fragmented one"
        case .frameTooBig: "frame over the limit"
        case .messageTooBig: "message over the limit"
        case .tooManyFragments: "too many fragments"
        }
    }
}
