// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// The memory that frames are encoded into: all of a turn's, one behind the other, used again in the
/// next one, by when the kernel has taken what it took.
@safe
final class OutputMemory {
    /// Small frames of one turn; what does not fit waits for the next one.
    static let byteCount = 1 << 20
    /// What one connection may send of it in a turn.
    static let shareByteCount = 1 << 16
    /// What of that may be control frames.
    static let controlByteCountMax = 1 << 14

    private let memory: UnsafeMutableRawPointer

    init() {
        unsafe memory = .allocate(
            byteCount: Self.byteCount + OutputFrames.slackByteCount,
            alignment: 64
        )
    }

    deinit {
        unsafe memory.deallocate()
    }

    @unsafe
    @inline(__always)
    var start: UnsafeMutableRawPointer { unsafe memory }
}
