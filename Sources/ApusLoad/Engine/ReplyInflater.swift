// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusDeflate

/// Inflates replies, each for itself.
@safe
final class ReplyInflater {
    private let inflater = Inflater()
    private let limits: Inflater.Limits
    private let room: UnsafeMutableRawBufferPointer

    /// For replies of at most so many bytes.
    init(byteCountMax: Int) {
        limits = Inflater.Limits(byteCountMax: byteCountMax)
        // One more than comes out, so that all comes out at once.
        unsafe room = .allocate(byteCount: byteCountMax + 1, alignment: 64)
    }

    deinit {
        unsafe room.deallocate()
    }

    /// The reply, until the next one is inflated; nil where it is corrupt, or too large for one.
    func inflate(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        unsafe inflater.begin(within: limits)
        var whole: UnsafeRawBufferPointer?
        let defect = unsafe inflater.inflate(bytes, isLast: true, by: room) { part, _ in
            unsafe whole = part
            return false
        }
        return unsafe defect == nil ? whole : nil
    }
}
