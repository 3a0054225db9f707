// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

package import ApusCodec

/// What the peer of an endpoint puts on the wire, made without the code under test.
///
/// Every function returns the bytes of one frame; a stream is their sum.
package struct WireBytes: Sendable {
    /// What payloads are XORed with; nil for frames without a mask.
    package var maskingKey: [UInt8]?

    package init(maskingKey: [UInt8]?) {
        self.maskingKey = maskingKey
    }

    /// The frames that an endpoint of this role expects: a server takes masked ones only.
    ///
    /// The key is that of the examples in RFC 6455 §5.7.
    package init(to role: Role) {
        self.init(maskingKey: role == .server ? [0x37, 0xFA, 0x21, 0x3D] : nil)
    }

    package func text(_ text: String, isFinal: Bool = true) -> [UInt8] {
        frame(.text, Array(text.utf8), isFinal: isFinal)
    }

    package func text(_ bytes: [UInt8], isFinal: Bool = true) -> [UInt8] {
        frame(.text, bytes, isFinal: isFinal)
    }

    package func binary(_ bytes: [UInt8], isFinal: Bool = true) -> [UInt8] {
        frame(.binary, bytes, isFinal: isFinal)
    }

    package func continuation(_ bytes: [UInt8], isFinal: Bool = true) -> [UInt8] {
        frame(.continuation, bytes, isFinal: isFinal)
    }

    package func ping(_ payload: [UInt8] = []) -> [UInt8] { frame(.ping, payload) }

    package func pong(_ payload: [UInt8] = []) -> [UInt8] { frame(.pong, payload) }

    package func close() -> [UInt8] { frame(.close, []) }

    package func close(_ code: UInt16, _ reason: [UInt8] = []) -> [UInt8] {
        frame(.close, [UInt8(code >> 8), UInt8(code & 0xFF)] + reason)
    }

    /// A frame whose length has the shortest encoding.
    package func frame(_ opcode: Opcode, _ payload: [UInt8], isFinal: Bool = true) -> [UInt8] {
        let header = header(
            firstByte: (isFinal ? 0x80 : 0) | opcode.rawValue,
            length: Self.length(payload.count)
        )
        return header + masked(payload)
    }

    /// A header with any first byte and any length: the seven bits and the bytes that extend them.
    package func header(firstByte: UInt8, length: [UInt8]) -> [UInt8] {
        guard let maskingKey else { return [firstByte] + length }
        return [firstByte, length[0] | 0x80] + length.dropFirst() + maskingKey
    }

    package func masked(_ payload: [UInt8]) -> [UInt8] {
        guard let maskingKey else { return payload }
        return payload.enumerated().map { index, byte in byte ^ maskingKey[index % 4] }
    }

    /// The shortest encoding of a length, RFC 6455 §5.2.
    package static func length(_ count: Int) -> [UInt8] {
        switch count {
        case ..<126: [UInt8(count)]
        case ..<65_536: [126] + bigEndian(UInt64(count), byteCount: 2)
        default: [127] + bigEndian(UInt64(count), byteCount: 8)
        }
    }

    package static func bigEndian(_ value: UInt64, byteCount: Int) -> [UInt8] {
        (1...byteCount).map { index in
            UInt8(truncatingIfNeeded: value >> (8 * (byteCount - index)))
        }
    }
}
