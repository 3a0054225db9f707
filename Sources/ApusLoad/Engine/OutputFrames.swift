// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec

/// How far the frames of a connection have been handed to the kernel.
struct OutputCursor: Equatable {
    /// The message whose frame is next, or under way.
    var sequence: UInt64 = 0
    /// Bytes of its frame that were taken.
    var offset = 0

    /// How many messages have begun.
    @inline(__always)
    var begunCount: UInt64 { offset > 0 ? sequence + 1 : sequence }
}

/// Messages as the frames of a client: any part of them, as often as wanted.
struct OutputFrames {
    /// Bytes that are written beyond what was asked for, at most.
    static let slackByteCount = 8

    let opcode: Opcode
    /// What the payloads are compressed to, if they are.
    let deflated: DeflatedPayload?

    init(opcode: Opcode, deflated: DeflatedPayload? = nil) {
        self.opcode = opcode
        self.deflated = deflated
    }

    /// How many bytes the frame of a message takes.
    @inline(__always)
    func byteCount(_ message: Message) -> Int {
        let header = header(message)
        return header.headerByteCount + Int(header.payloadByteCount)
    }

    /// Writes a whole frame and returns its length; up to ``slackByteCount`` more are written to.
    @unsafe
    @inline(__always)
    func write(_ message: Message, to target: UnsafeMutableRawPointer) -> Int {
        let headerByteCount = unsafe header(message).encode(
            to: target.assumingMemoryBound(to: UInt8.self)
        )
        if let deflated {
            unsafe deflated.write(message, to: target + headerByteCount)
            return headerByteCount + deflated.byteCount
        }
        unsafe message.write(
            0..<(message.byteCount + 7) >> 3,
            to: target + headerByteCount
        )
        return headerByteCount + message.byteCount
    }

    /// Writes the part of a frame from `offset` on as far as `capacity` bytes go, which are at least
    /// 64; up to ``slackByteCount`` more are written to.
    ///
    /// The part begins `skip` bytes behind the target's start and is `count` long.
    @unsafe
    func write(
        _ message: Message,
        from offset: Int,
        to target: UnsafeMutableRawPointer,
        capacity: Int
    ) -> (skip: Int, count: Int) {
        let header = header(message)
        if let deflated {
            return unsafe write(header, deflated, of: message, from: offset, to: target, capacity)
        }
        var payloadOffset = 0
        var headerByteCount = 0
        var skip = offset
        if offset < header.headerByteCount {
            headerByteCount = unsafe header.encode(to: target.assumingMemoryBound(to: UInt8.self))
        } else {
            // Words begin where the key does, so it fits all of them.
            payloadOffset = (offset - header.headerByteCount) & ~7
            skip = offset - header.headerByteCount - payloadOffset
        }
        let byteCount = min(
            message.byteCount - payloadOffset,
            (capacity - headerByteCount) & ~7
        )
        unsafe message.write(
            payloadOffset >> 3..<(payloadOffset + byteCount + 7) >> 3,
            to: target + headerByteCount
        )
        return (skip, headerByteCount + byteCount - skip)
    }

    /// The same of a payload that is compressed.
    @unsafe
    private func write(
        _ header: FrameHeader,
        _ deflated: DeflatedPayload,
        of message: Message,
        from offset: Int,
        to target: UnsafeMutableRawPointer,
        _ capacity: Int
    ) -> (skip: Int, count: Int) {
        let ownByteCount = header.headerByteCount + DeflatedPayload.ownByteCount
        guard offset < ownByteCount else {
            // Pieces begin where the key does.
            let start = (offset - ownByteCount) & ~3
            let skip = offset - ownByteCount - start
            let count = min(deflated.byteCount - DeflatedPayload.ownByteCount - start, capacity)
            unsafe deflated.writeShared(start..<start + count, of: message, to: target)
            return (skip, count - skip)
        }
        _ = unsafe header.encode(to: target.assumingMemoryBound(to: UInt8.self))
        unsafe deflated.writeOwn(message, to: target + header.headerByteCount)
        let count = min(
            deflated.byteCount - DeflatedPayload.ownByteCount,
            capacity - ownByteCount
        )
        unsafe deflated.writeShared(0..<count, of: message, to: target + ownByteCount)
        return (offset, ownByteCount + count - offset)
    }

    /// Moves a cursor on by so many bytes of the messages of `message`.
    func advance(
        _ cursor: inout OutputCursor,
        by byteCount: Int,
        _ message: (UInt64) -> Message
    ) {
        cursor.offset += byteCount
        while cursor.offset > 0 {
            let frameByteCount = self.byteCount(message(cursor.sequence))
            guard cursor.offset >= frameByteCount else { return }
            cursor.offset -= frameByteCount
            cursor.sequence += 1
        }
    }

    @inline(__always)
    private func header(_ message: Message) -> FrameHeader {
        FrameHeader(
            reservedBits: deflated == nil ? 0 : 0x40,
            opcode: opcode,
            payloadByteCount: UInt64(
                truncatingIfNeeded: deflated?.byteCount ?? message.byteCount
            ),
            maskingKey: message.maskingKey
        )
    }
}
