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
    private let header = UnsafeMutablePointer<UInt8>.allocate(capacity: FrameHeader.byteCountMax)

    init() {
        unsafe memory.initialize(repeating: UnsafeRawBufferPointer(start: nil, count: 0))
    }

    deinit {
        unsafe memory.deallocate()
        unsafe header.deallocate()
    }

    var parts: UnsafeMutableBufferPointer<UnsafeRawBufferPointer> { unsafe memory }

    /// The bytes of a header, until the next one.
    func encode(_ frame: FrameHeader) -> UnsafeRawBufferPointer {
        let count = unsafe frame.encode(to: header)
        return unsafe UnsafeRawBufferPointer(start: header, count: count)
    }
}
