// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// What the kernel says of one operation.
@safe
package struct Completion {
    package let tag: OperationTag

    /// A byte count or a descriptor; `-errno` where the operation failed.
    package let result: Int32

    /// Whether the operation goes on and further completions follow (`IORING_CQE_F_MORE`).
    package let hasMore: Bool

    /// The receive buffer that the bytes lie in; nil where the completion brings none.
    package let bufferIndex: UInt16?

    /// The received bytes; the ring's memory, ours to read and change until ``RingVerbs/giveBack(_:)``.
    package let bytes: UnsafeMutableRawBufferPointer

    package init(
        tag: OperationTag,
        result: Int32,
        hasMore: Bool = false,
        bufferIndex: UInt16? = nil,
        bytes: UnsafeMutableRawBufferPointer = unsafe UnsafeMutableRawBufferPointer(
            start: nil,
            count: 0
        )
    ) {
        self.tag = tag
        self.result = result
        self.hasMore = hasMore
        self.bufferIndex = bufferIndex
        unsafe self.bytes = unsafe bytes
    }
}
