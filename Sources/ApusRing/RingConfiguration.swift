// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// How large a ring is made.
package struct RingConfiguration: Equatable, Sendable {
    /// Operations that are handed in together; more are handed in early.
    package var submissionEntries: UInt32 = 1024

    /// Completions that the kernel holds before it has to allocate for them.
    package var completionEntries: UInt32 = 32768

    /// Receive buffers, a power of two up to 32768; nil: 8 incremental or 32 plain ones.
    package var bufferCount: UInt32?

    /// Bytes of each receive buffer, 1 to 2^30; nil: 128 KiB incremental or 64 KiB plain.
    package var bufferByteCount: UInt32?

    /// Whether completions share a buffer until it is used up (Linux 6.12); nil: where they can.
    package var incrementalBuffers: Bool?

    package init(
        submissionEntries: UInt32 = 1024,
        completionEntries: UInt32 = 32768,
        bufferCount: UInt32? = nil,
        bufferByteCount: UInt32? = nil,
        incrementalBuffers: Bool? = nil
    ) {
        self.submissionEntries = submissionEntries
        self.completionEntries = completionEntries
        self.bufferCount = bufferCount
        self.bufferByteCount = bufferByteCount
        self.incrementalBuffers = incrementalBuffers
    }
}

/// What the kernel gave a ring.
package struct RingFeatures: Equatable, Sendable {
    /// After the kernel's rounding, as is ``completionEntries``.
    package let submissionEntries: UInt32
    package let completionEntries: UInt32

    package let bufferCount: UInt32
    package let bufferByteCount: UInt32

    /// Whether several completions may lie in one receive buffer.
    package let incrementalBuffers: Bool

    /// Whether the kernel takes operations without an array of indices (Linux 6.6).
    package let noSQArray: Bool

    /// Whether a system call on the ring spares looking its descriptor up.
    package let registeredRing: Bool
}
