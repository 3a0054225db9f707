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

/// What a server does with the bytes that came: many messages per call, unmasked where they lie.
func receive(
    _ bytes: inout [UInt8],
    _ decoder: inout MessageDecoder,
    _ events: inout DecodedEvents
) {
    var position = 0
    repeat {
        var span = bytes.mutableSpan
        let violation = decoder.decode(&span, from: &position, into: &events)
        for index in 0..<events.count {
            switch events[index] {
            case .messagePart(let part) where part.isFirst && part.isLast:
                let text = String(decoding: bytes[part.payload.range], as: UTF8.self)
                print("server receives: \(text)")
            case .messagePart(let part):
                // Of a message that came cut: to be put together until its last part has come.
                print("server receives \(part.payload.range.count) bytes of a message")
            case .ping(let payload):
                print("a pong with the same \(payload.range.count) bytes is due")
            case .pong:
                break
            case .close(let code, reason: _):
                print("client closes with \(code.rawValue)")
            }
        }
        if let violation {
            print("close with \(violation.closeCode.rawValue), RFC 6455 §\(violation.rfcSection)")
            return
        }
    } while position < bytes.count
}

func hexadecimal(_ byte: UInt8) -> String {
    (byte < 16 ? "0" : "") + String(byte, radix: 16)
}

let clientKey = Array("dGhlIHNhbXBsZSBub25jZQ==".utf8)
print("Sec-WebSocket-Accept: \(AcceptKey.accept(for: clientKey.span))")

// The key of RFC 6455 §5.7. A client takes four unpredictable bytes for each frame (§5.3).
var frame = clientFrame("Hello", key: MaskingKey(0x37, 0xFA, 0x21, 0x3D))
print("client sends: \(frame.map(hexadecimal).joined(separator: " "))")

var decoder = MessageDecoder(MessageDecoder.Options(role: .server))
var events = DecodedEvents()
receive(&frame, &decoder, &events)
