// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Memory between two pages that nobody may touch: one byte too far and the test process dies.
@safe
package struct GuardedBuffer: ~Copyable {
    private let mapping: UnsafeMutableRawPointer
    private let pageByteCount: Int

    /// How many bytes lie between the guards.
    package let count: Int

    package init(pageCount: Int = 1) {
        pageByteCount = sysconf(Int32(_SC_PAGESIZE))
        count = pageCount * pageByteCount
        let mapped = unsafe mmap(
            nil,
            count + 2 * pageByteCount,
            PROT_NONE,
            MAP_PRIVATE | MAP_ANONYMOUS,
            -1,
            0
        )
        guard let mapped = unsafe mapped, unsafe mapped != MAP_FAILED else {
            preconditionFailure("no memory for \(count) guarded bytes")
        }
        unsafe mapping = mapped
        let opened = unsafe mprotect(mapping + pageByteCount, count, PROT_READ | PROT_WRITE)
        precondition(opened == 0, "the guarded bytes stay closed")
    }

    deinit {
        unsafe munmap(mapping, count + 2 * pageByteCount)
    }

    /// The bytes between the guards, zero at first, gone with the buffer.
    @unsafe package var bytes: UnsafeMutableBufferPointer<UInt8> {
        let start = unsafe mapping + pageByteCount
        return unsafe UnsafeMutableBufferPointer(
            start: start.bindMemory(to: UInt8.self, capacity: count),
            count: count
        )
    }

    /// The last bytes before the guard.
    @unsafe
    package func last(_ byteCount: Int) -> UnsafeMutableBufferPointer<UInt8> {
        unsafe UnsafeMutableBufferPointer(rebasing: bytes[(count - byteCount)...])
    }
}
