// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import CApusCodec

/// The proof in the opening handshake that the server speaks WebSocket, RFC 6455 §4.2.2.
public enum AcceptKey {
    /// How many bytes a `Sec-WebSocket-Key` has.
    public static let keyByteCount = Int(APUS_KEY_SIZE)

    /// Whether these bytes are the canonical base64 of 16 bytes, RFC 6455 §4.1.
    public static func isValid(_ key: Span<UInt8>) -> Bool {
        unsafe key.withUnsafeBufferPointer { buffer in
            unsafe apus_key_is_valid(buffer.baseAddress, buffer.count)
        }
    }

    /// The 28 characters of `Sec-WebSocket-Accept` that answer a key of 24 bytes.
    ///
    /// Another length is the caller's fault and traps. Calls `apus_accept_key`.
    public static func accept(for key: Span<UInt8>) -> String {
        precondition(key.count == keyByteCount, "a key of \(key.count) bytes")
        return unsafe key.withUnsafeBufferPointer { key in
            unsafe String(unsafeUninitializedCapacity: Int(APUS_ACCEPT_SIZE)) { accept in
                unsafe apus_accept_key(key.baseAddress, accept.baseAddress)
                return Int(APUS_ACCEPT_SIZE)
            }
        }
    }
}
