// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusProtocol

/// The time does not pass here.
let now = Instant(nanoseconds: 1)

/// Unmasking changes bytes where they lie, but not by this key, which costs what any costs: so the
/// same bytes serve every time.
let key = MaskingKey(wireOrder: 0)

/// A client's frame.
func frame(_ opcode: Opcode, _ payload: [UInt8], isFinal: Bool = true) -> [UInt8] {
    let header = FrameHeader(
        isFinal: isFinal,
        opcode: opcode,
        payloadByteCount: UInt64(payload.count),
        maskingKey: key
    )
    var bytes = [UInt8](repeating: 0, count: header.headerByteCount)
    var span = bytes.mutableSpan
    _ = header.encode(into: &span)
    return bytes + payload
}

func ascii(_ byteCount: Int) -> [UInt8] {
    [UInt8](repeating: 0x61, count: byteCount)
}

/// Characters of two and of three bytes.
func japanese(_ byteCount: Int) -> [UInt8] {
    let sentence = Array("日本語のテキストは、süß".utf8)
    var text: [UInt8] = []
    while text.count + sentence.count <= byteCount { text += sentence }
    return text + ascii(byteCount - text.count)
}

/// A read's bytes, in memory that moves as little as a ring's buffer does.
func received(_ bytes: [UInt8]) -> UnsafeMutableRawBufferPointer {
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 64)
    unsafe memory.copyBytes(from: bytes)
    return unsafe memory
}

/// A machine of a server, and what it needs to read.
struct Endpoint: ~Copyable {
    var machine = Endpoint.newMachine()
    var batch = ReceivedBatch()

    private static let configuration = ConnectionConfiguration()

    static func newMachine() -> ConnectionStateMachine {
        ConnectionStateMachine(role: .server, configuration: configuration, openedAt: now)
    }

    /// Feeds the machine as the server does; how many messages and control frames ended.
    mutating func read(_ bytes: UnsafeMutableRawBufferPointer) -> Int {
        var span = unsafe MutableSpan<UInt8>(_unsafeBytes: bytes)
        var (position, count) = (0, 0)
        repeat {
            machine.receive(&span, from: &position, into: &batch, at: now)
            count += endedCount(in: span.span)
        } while position < span.count
        return count
    }

    /// The same, but the rest of a message that has begun goes to `target`.
    mutating func read(
        _ bytes: UnsafeMutableRawBufferPointer,
        continuingIn target: UnsafeMutableBufferPointer<UInt8>
    ) -> Int {
        var span = unsafe MutableSpan<UInt8>(_unsafeBytes: bytes)
        var output = unsafe OutputSpan(buffer: target, initializedCount: 0)
        var (position, count) = (0, 0)
        repeat {
            machine.receive(
                &span,
                from: &position,
                into: &batch,
                continuingIn: &output,
                at: now
            )
            count += endedCount(in: span.span)
        } while position < span.count
        return count
    }

    @inline(__always)
    private mutating func endedCount(in bytes: Span<UInt8>) -> Int {
        var count = 0
        while let action = machine.nextAction(of: &batch, in: bytes, at: now) {
            switch action {
            case .message(let part): count += part.isLast ? 1 : 0
            case .ping, .pong, .peerClosed: count += 1
            case .fail: return -1
            }
        }
        return count
    }
}
