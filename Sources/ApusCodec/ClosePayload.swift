// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import CApusCodec

/// What a close frame says, RFC 6455 §5.5.1.
public struct ClosePayload: Hashable, Sendable {
    /// The peer's code; `noStatusReceived` for an empty payload.
    public let code: CloseCode

    /// Where the reason lies in the bytes that were decoded: valid UTF-8, often empty.
    public let reasonRange: Range<Int>

    /// Decodes the unmasked payload at `range`.
    ///
    /// A range outside of the span is the caller's fault and traps. Calls
    /// `apus_close_payload_decode`.
    public static func decode(_ bytes: Span<UInt8>, range: Range<Int>) -> ClosePayloadDecoding {
        precondition(
            range.lowerBound >= 0 && range.upperBound <= bytes.count,
            "a close payload at \(range) in \(bytes.count) bytes"
        )
        var code: UInt16 = 0
        let result = unsafe bytes.withUnsafeBufferPointer { buffer in
            let payload = unsafe UnsafeBufferPointer(rebasing: buffer[range])
            return unsafe apus_close_payload_decode(payload.baseAddress, payload.count, &code)
        }
        guard result == APUS_OK else { return .violation(ProtocolViolation(result)) }
        return .payload(
            ClosePayload(
                code: CloseCode(rawValue: code),
                reasonRange: min(range.lowerBound + 2, range.upperBound)..<range.upperBound
            )
        )
    }
}

/// What `ClosePayload.decode` found.
public enum ClosePayloadDecoding: Hashable, Sendable {
    /// A payload that follows the rules.
    case payload(ClosePayload)
    /// The rule that the peer broke.
    case violation(ProtocolViolation)
}
