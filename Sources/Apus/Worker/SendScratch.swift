// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec

/// Memory of a worker that one `send` is put together in; nothing in it outlives the call.
@safe
final class SendScratch {
    /// What one system call sends together, at most.
    private static let partCountMax = 16

    private let memory = UnsafeMutableBufferPointer<UnsafeRawBufferPointer>.allocate(
        capacity: partCountMax
    )
    /// What a record of TLS holds at most; for a header alone the rest is never touched.
    private static let recordByteCountMax = 16384

    private let header = UnsafeMutablePointer<UInt8>.allocate(capacity: recordByteCountMax)

    /// What was received before the large message that a handler has now, up to where that begins.
    ///
    /// It was read, so nobody needs it any more. Nil where the message does not lie there.
    var beforeMessage: UnsafeMutableRawBufferPointer?

    /// Whether the connection that is being read sends some of what was received.
    var isBorrowing = false

    init() {
        unsafe memory.initialize(repeating: UnsafeRawBufferPointer(start: nil, count: 0))
    }

    deinit {
        unsafe memory.deallocate()
        unsafe header.deallocate()
    }

    var parts: UnsafeMutableBufferPointer<UnsafeRawBufferPointer> { unsafe memory }

    /// The frame in one piece, if its payload is the message that a handler has now; once for each.
    ///
    /// Its header takes the place of the one that the message came with, which a key made longer.
    func takeFrameInPlace(
        _ frame: FrameHeader,
        _ payload: UnsafeRawBufferPointer
    ) -> UnsafeMutableRawBufferPointer? {
        let count = frame.headerByteCount
        guard let room = unsafe beforeMessage, room.count >= count, let base = room.baseAddress,
            unsafe payload.baseAddress == UnsafeRawPointer(base + room.count)
        else { return nil }
        let start = unsafe base + room.count - count
        _ = unsafe frame.encode(to: start.assumingMemoryBound(to: UInt8.self))
        unsafe beforeMessage = nil
        return unsafe UnsafeMutableRawBufferPointer(start: start, count: count + payload.count)
    }

    /// The bytes of a header, until the next one.
    func encode(_ frame: FrameHeader) -> UnsafeRawBufferPointer {
        let count = unsafe frame.encode(to: header)
        return unsafe UnsafeRawBufferPointer(start: header, count: count)
    }

    /// The bytes of a header and as much of the payload as fits into a record with it, until the next
    /// one.
    func encode(
        _ frame: FrameHeader,
        withStartOf payload: UnsafeRawBufferPointer
    ) -> UnsafeRawBufferPointer {
        let count = unsafe frame.encode(to: header)
        let copied = min(payload.count, Self.recordByteCountMax - count)
        if copied > 0, let source = payload.baseAddress {
            unsafe UnsafeMutableRawPointer(header + count)
                .copyMemory(from: source, byteCount: copied)
        }
        return unsafe UnsafeRawBufferPointer(start: header, count: count + copied)
    }
}
