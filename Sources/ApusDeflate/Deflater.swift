// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import CZlib

/// A compressor of messages: raw DEFLATE, RFC 1951, as permessage-deflate wants it.
///
/// It remembers what it compressed since it was made or reset, so that a message may refer to those
/// before it. Most of what it takes is for that: 4 times the window, and 512 bytes times 2 to the
/// power of the memory level.
@safe
package final class Deflater {
    /// What a compressed message ends with, and is sent without, RFC 7692 §7.2.1.
    package static let tail: [UInt8] = [0x00, 0x00, 0xFF, 0xFF]

    /// The sizes and the effort of a compressor.
    package struct Settings: Hashable, Sendable {
        /// How far back it refers: 2 to the power of 9 to 15 bytes.
        package var windowBits: Int
        /// How much memory it takes besides, 1 to 9.
        package var memoryLevel: Int
        /// The effort, 1 to 9.
        package var level: Int

        package init(windowBits: Int, memoryLevel: Int, level: Int) {
            self.windowBits = windowBits
            self.memoryLevel = memoryLevel
            self.level = level
        }
    }

    package let settings: Settings

    // zlib's state points back to it, so it may not move.
    private let stream: UnsafeMutablePointer<z_stream>

    /// Settings out of their ranges are the caller's fault and trap.
    package init(_ settings: Settings) {
        self.settings = settings
        unsafe stream = .allocate(capacity: 1)
        unsafe stream.initialize(to: z_stream())
        let result = unsafe apus_deflate_init(
            stream,
            Int32(settings.level),
            Int32(settings.windowBits),
            Int32(settings.memoryLevel)
        )
        precondition(result == Z_OK, "no compressor of \(settings): zlib says \(result)")
    }

    deinit {
        unsafe deflateEnd(stream)
        unsafe stream.deallocate()
    }

    /// Forgets what it has compressed.
    package func reset() {
        let result = unsafe deflateReset(stream)
        precondition(result == Z_OK, "a compressor cannot be reset: zlib says \(result)")
    }

    /// So much room does for any so many bytes.
    package static func byteCountMax(for byteCount: Int) -> Int {
        byteCount + byteCount / 8 + 64
    }

    /// Compresses a message, or a piece of one, of at least one byte; returns how many bytes that
    /// makes, the last four of which are the ``tail``.
    ///
    /// Nil where there is no room for it; the compressor is to be reset then. `Z_SYNC_FLUSH` of
    /// zlib, which counts in 32 bits and so gets no more than `byteCountMax` at once.
    package func compress(
        _ bytes: UnsafeRawBufferPointer,
        into output: UnsafeMutableRawBufferPointer,
        atOnce byteCountMax: Int = 1 << 30
    ) -> Int? {
        precondition(bytes.count > 0, "nothing to compress")
        let source = unsafe bytes.bindMemory(to: UInt8.self)
        let target = unsafe output.bindMemory(to: UInt8.self)
        unsafe stream.pointee.next_in = unsafe UnsafeMutablePointer(mutating: source.baseAddress)
        unsafe stream.pointee.avail_in = 0
        unsafe stream.pointee.next_out = target.baseAddress
        unsafe stream.pointee.avail_out = 0
        defer {
            // What was lent for the call is not pointed to any more.
            unsafe stream.pointee.next_in = nil
            unsafe stream.pointee.next_out = nil
        }
        var (restCount, roomCount) = (bytes.count, output.count)
        while true {
            if unsafe stream.pointee.avail_in == 0 {
                unsafe stream.pointee.avail_in = UInt32(min(restCount, byteCountMax))
                restCount -= min(restCount, byteCountMax)
            }
            if unsafe stream.pointee.avail_out == 0 {
                unsafe stream.pointee.avail_out = UInt32(min(roomCount, byteCountMax))
                roomCount -= min(roomCount, byteCountMax)
            }
            let result = unsafe deflate(stream, restCount == 0 ? Z_SYNC_FLUSH : Z_NO_FLUSH)
            let room = unsafe Int(stream.pointee.avail_out)
            guard result == Z_OK, room + roomCount > 0 else { return nil }
            // Room that is left over tells that all of it has come out.
            if restCount == 0, unsafe stream.pointee.avail_in == 0, room > 0 {
                return output.count - roomCount - room
            }
        }
    }
}
