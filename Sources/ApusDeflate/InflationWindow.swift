// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// What the next message of a peer may refer to: the end of what its messages were inflated to.
///
/// It takes no more memory than there is of that. An inflater, which takes 7 KiB more, is only
/// needed while a message is inflated, and can be another's in between.
package struct InflationWindow {
    package private(set) var bytes: [UInt8] = []
    private let byteCountMax: Int

    package init(bits: Int) {
        byteCountMax = 1 << bits
    }

    /// Goes on by what has come out of the inflater.
    package mutating func append(_ part: UnsafeRawBufferPointer) {
        let kept = unsafe UnsafeRawBufferPointer(rebasing: part.suffix(byteCountMax))
        let excess = bytes.count + kept.count - byteCountMax
        if excess > 0 { bytes.removeFirst(excess) }
        if bytes.capacity < bytes.count + kept.count {
            // To double at each growth, but not to more than it may ever hold.
            bytes.reserveCapacity(min(byteCountMax, max(bytes.count + kept.count, 2 * bytes.count)))
        }
        unsafe bytes.append(contentsOf: kept)
    }
}
