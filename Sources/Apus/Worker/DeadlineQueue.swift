// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol

/// The deadlines of all connections: one binary heap, at most one entry for each slot.
///
/// Received bytes don't touch it. A connection whose deadline has come is asked whether it still
/// holds, and entered again for a later time if not.
struct DeadlineQueue {
    // Side by side rather than in pairs, which would be padded: there are as many as connections.
    private var deadlines: [Instant] = []
    private var slots: [UInt32] = []
    /// Where a slot's entry is in the heap; -1 for none.
    private var positions: [Int32] = []

    /// The next deadline, of whichever slot.
    var next: Instant? { deadlines.first }

    var isEmpty: Bool { deadlines.isEmpty }

    /// Enters or moves the slot's deadline; nil removes it.
    ///
    /// - Complexity: O(log n).
    mutating func set(_ deadline: Instant?, slot: Int) {
        while positions.count <= slot {
            positions.append(-1)
        }
        let position = Int(positions[slot])
        guard let deadline else {
            if position >= 0 { remove(at: position) }
            return
        }
        guard position >= 0 else {
            positions[slot] = Int32(deadlines.count)
            deadlines.append(deadline)
            slots.append(UInt32(slot))
            siftUp(from: deadlines.count - 1)
            return
        }
        deadlines[position] = deadline
        sift(position)
    }

    /// Removes and returns a slot whose deadline is not after `now`.
    mutating func popDue(at now: Instant) -> Int? {
        guard let first = deadlines.first, first <= now else { return nil }
        let slot = Int(slots[0])
        remove(at: 0)
        return slot
    }

    private mutating func remove(at position: Int) {
        let last = deadlines.count - 1
        if position != last { swap(position, last) }
        positions[Int(slots[last])] = -1
        deadlines.removeLast()
        slots.removeLast()
        if position < last { sift(position) }
    }

    private mutating func sift(_ position: Int) {
        let slot = Int(slots[position])
        siftUp(from: position)
        siftDown(from: Int(positions[slot]))
    }

    private mutating func siftUp(from start: Int) {
        var child = start
        while child > 0 {
            let parent = (child - 1) / 2
            guard deadlines[child] < deadlines[parent] else { return }
            swap(child, parent)
            child = parent
        }
    }

    private mutating func siftDown(from start: Int) {
        var parent = start
        while true {
            var least = parent
            for child in (2 * parent + 1)...(2 * parent + 2)
            where child < deadlines.count && deadlines[child] < deadlines[least] {
                least = child
            }
            guard least != parent else { return }
            swap(parent, least)
            parent = least
        }
    }

    private mutating func swap(_ first: Int, _ second: Int) {
        deadlines.swapAt(first, second)
        slots.swapAt(first, second)
        positions[Int(slots[first])] = Int32(first)
        positions[Int(slots[second])] = Int32(second)
    }
}
