// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import CZlib

/// zlib's compressor.
@safe
final class ZlibStream: DeflateStream {
    // Its state points back to it, so it may not move.
    private let stream: UnsafeMutablePointer<z_stream>

    init(_ settings: Deflater.Settings) {
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

    func reset() {
        let result = unsafe deflateReset(stream)
        precondition(result == Z_OK, "a compressor cannot be reset: zlib says \(result)")
    }

    /// `deflate` of zlib.
    func deflate(
        _ input: UnsafeRawBufferPointer,
        into room: UnsafeMutableRawBufferPointer,
        isLast: Bool
    ) -> (taken: Int, made: Int) {
        let source = unsafe input.bindMemory(to: UInt8.self)
        unsafe stream.pointee.next_in = unsafe UnsafeMutablePointer(mutating: source.baseAddress)
        unsafe stream.pointee.avail_in = UInt32(input.count)
        unsafe stream.pointee.next_out = room.bindMemory(to: UInt8.self).baseAddress
        unsafe stream.pointee.avail_out = UInt32(room.count)
        let result = unsafe CZlib.deflate(stream, isLast ? Z_SYNC_FLUSH : Z_NO_FLUSH)
        // What was lent for the call is not pointed to any more.
        unsafe stream.pointee.next_in = nil
        unsafe stream.pointee.next_out = nil
        precondition(
            result == Z_OK || result == Z_BUF_ERROR,
            "a compressor cannot go on: zlib says \(result)"
        )
        return unsafe (
            input.count - Int(stream.pointee.avail_in), room.count - Int(stream.pointee.avail_out)
        )
    }
}
