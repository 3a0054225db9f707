// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec

// The same as echo_frames.c in Swift: spans instead of pointers, enums instead of result codes.

/// A whole text frame as a client sends it.
func clientFrame(_ text: String, key: MaskingKey) -> [UInt8] {
    let payload = Array(text.utf8)
    let header = FrameHeader(
        opcode: .text,
        payloadByteCount: UInt64(payload.count),
        maskingKey: key
    )
    let start = header.headerByteCount
    var frame = [UInt8](repeating: 0, count: start) + payload
    var bytes = frame.mutableSpan
    _ = header.encode(into: &bytes)
    key.apply(to: &bytes, range: start..<start + payload.count)
    return frame
}

/// What a server finds at the start of the bytes that came.
enum Reception {
    case text(String)
    case incomplete
    case violation(ProtocolViolation)
}

/// Unmasks the payload in place and checks it.
func receive(_ bytes: inout [UInt8]) -> Reception {
    switch FrameHeader.decode(bytes.span, as: .server) {
    case .incomplete:
        return .incomplete
    case .violation(let violation):
        return .violation(violation)
    case .header(let header):
        let start = header.headerByteCount
        guard header.payloadByteCount <= UInt64(bytes.count - start) else { return .incomplete }
        let payload = start..<start + Int(header.payloadByteCount)
        var span = bytes.mutableSpan
        header.maskingKey?.apply(to: &span, range: payload)
        var text = UTF8Validator()
        guard text.validate(bytes.span, range: payload), text.isAtBoundary else {
            return .violation(.invalidUTF8)
        }
        return .text(String(decoding: bytes[payload], as: UTF8.self))
    }
}

func hexadecimal(_ byte: UInt8) -> String {
    (byte < 16 ? "0" : "") + String(byte, radix: 16)
}

let clientKey = Array("dGhlIHNhbXBsZSBub25jZQ==".utf8)
print("Sec-WebSocket-Accept: \(AcceptKey.accept(for: clientKey.span))")

// The key of RFC 6455 §5.7. A client takes four unpredictable bytes for each frame (§5.3).
var frame = clientFrame("Hello", key: MaskingKey(0x37, 0xFA, 0x21, 0x3D))
print("client sends: \(frame.map(hexadecimal).joined(separator: " "))")

switch receive(&frame) {
case .text(let text):
    print("server receives: \(text)")
case .incomplete:
    print("more bytes are needed")
case .violation(let violation):
    print("close with \(violation.closeCode.rawValue), RFC 6455 §\(violation.rfcSection)")
}
