// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// What the next message of a peer may refer to: the end of what its messages were inflated to.
///
/// It takes hardly more memory than there is of that. An inflater, which takes 7 KiB more, is only
/// needed while a message is inflated, and can be another's in between.
package struct InflationWindow {
    /// What may be referred to, behind up to an eighth as much that may not any more.
    private var stored: [UInt8] = []
    private let byteCountMax: Int

    package init(bits: Int) {
        byteCountMax = 1 << bits
    }

    /// What may be referred to.
    package var bytes: ArraySlice<UInt8> { stored.suffix(byteCountMax) }

    /// How many bytes it takes: an eighth more than may be referred to, at most.
    package var storedByteCount: Int { stored.count }

    /// Goes on by what has come out of the inflater.
    package mutating func append(_ part: UnsafeRawBufferPointer) {
        let kept = unsafe UnsafeRawBufferPointer(rebasing: part.suffix(byteCountMax))
        // What is too old goes now and then: each time all the rest would be moved.
        let room = byteCountMax + byteCountMax / 8
        if stored.count + kept.count > room {
            stored.removeFirst(stored.count + kept.count - byteCountMax)
        }
        if stored.capacity < stored.count + kept.count {
            // To double at each growth, but not to more than it may ever hold.
            stored.reserveCapacity(min(room, max(stored.count + kept.count, 2 * stored.count)))
        }
        unsafe stored.append(contentsOf: kept)
    }
}
