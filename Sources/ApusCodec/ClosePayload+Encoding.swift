// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

extension ClosePayload {
    /// The payload of a Close frame: the code and as many whole characters of the reason as fit.
    ///
    /// A control frame takes 125 bytes, RFC 6455 §5.5, so 123 are left for the reason.
    public static func encode(_ code: CloseCode, reason: String = "") -> [UInt8] {
        var payload = [UInt8(truncatingIfNeeded: code.rawValue >> 8)]
        payload.append(UInt8(truncatingIfNeeded: code.rawValue))
        for scalar in reason.unicodeScalars {
            let bytes = Unicode.UTF8.encode(scalar)
            guard let bytes, payload.count + bytes.count <= 125 else { break }
            payload.append(contentsOf: bytes)
        }
        return payload
    }
}
