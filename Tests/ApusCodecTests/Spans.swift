// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec

// An expectation cannot hold a span in its expression: these take arrays.

extension FrameHeader {
    static func decode(
        _ bytes: [UInt8],
        from offset: Int = 0,
        as role: Role,
        reservedBitsAllowed: UInt8 = 0
    ) -> FrameHeaderDecoding {
        decode(bytes.span, from: offset, as: role, reservedBitsAllowed: reservedBitsAllowed)
    }

    func encode(into output: inout [UInt8]) -> Int {
        var span = output.mutableSpan
        return encode(into: &span)
    }
}

extension ClosePayload {
    static func decode(_ bytes: [UInt8], range: Range<Int>) -> ClosePayloadDecoding {
        decode(bytes.span, range: range)
    }
}

extension AcceptKey {
    static func isValid(_ key: String) -> Bool {
        isValid(Array(key.utf8).span)
    }

    static func accept(for key: String) -> String {
        accept(for: Array(key.utf8).span)
    }
}

extension MaskingKey {
    func apply(to bytes: inout [UInt8], range: Range<Int>, payloadOffset: Int = 0) {
        var span = bytes.mutableSpan
        apply(to: &span, range: range, payloadOffset: payloadOffset)
    }
}
