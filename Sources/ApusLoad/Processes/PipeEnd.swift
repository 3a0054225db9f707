// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import CApusSystem

/// One end of a pipe to or from another process, owned.
@safe
struct PipeEnd: ~Copyable {
    let descriptor: Int32

    deinit {
        apus_descriptor_close(descriptor)
    }

    /// Reads once, which blocks unless there is something; nil when the other end is closed.
    borrowing func read() -> [UInt8]? {
        var result: Int64 = 0
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: 65536) { buffer, count in
            result = unsafe apus_descriptor_read(descriptor, buffer.baseAddress, 65536)
            count = max(0, Int(result))
        }
        return result > 0 ? bytes : nil
    }

    /// Writes all; false when the other end is closed.
    borrowing func write(_ bytes: [UInt8]) -> Bool {
        var offset = 0
        while offset < bytes.count {
            // The rest of the array, in its bounds.
            let count = unsafe bytes.withUnsafeBytes { buffer in
                guard let start = buffer.baseAddress else { return Int64(0) }
                return unsafe apus_descriptor_write(
                    descriptor,
                    start + offset,
                    buffer.count - offset
                )
            }
            guard count > 0 else { return false }
            offset += Int(count)
        }
        return true
    }

    /// Whether a read would not block, within so many nanoseconds.
    borrowing func isReadable(within nanoseconds: Int64 = 0) -> Bool {
        var entry = apus_poll_readable(descriptor)
        return unsafe apus_poll(&entry, 1, nanoseconds) > 0
    }
}
