// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol

/// The deadlines of all connections: one binary heap, at most one entry for each slot.
///
/// Received bytes don't touch it. A connection whose deadline has come is asked whether it still
/// holds, and entered again for a later time if not.
struct DeadlineQueue {
    private struct Entry {
        var deadline: Instant
        var slot: Int
    }

    private var heap: [Entry] = []
    /// Where a slot's entry is in the heap; -1 for none.
    private var positions: [Int] = []

    /// The next deadline, of whichever slot.
    var next: Instant? { heap.first?.deadline }

    var isEmpty: Bool { heap.isEmpty }

    /// Enters or moves the slot's deadline; nil removes it.
    ///
    /// - Complexity: O(log n).
    mutating func set(_ deadline: Instant?, slot: Int) {
        while positions.count <= slot {
            positions.append(-1)
        }
        let position = positions[slot]
        guard let deadline else {
            if position >= 0 { remove(at: position) }
            return
        }
        guard position >= 0 else {
            heap.append(Entry(deadline: deadline, slot: slot))
            positions[slot] = heap.count - 1
            siftUp(from: heap.count - 1)
            return
        }
        heap[position].deadline = deadline
        siftUp(from: position)
        siftDown(from: positions[slot])
    }

    /// Removes and returns a slot whose deadline is not after `now`.
    mutating func popDue(at now: Instant) -> Int? {
        guard let first = heap.first, first.deadline <= now else { return nil }
        remove(at: 0)
        return first.slot
    }

    private mutating func remove(at position: Int) {
        let last = heap.count - 1
        positions[heap[position].slot] = -1
        if position != last {
            heap[position] = heap[last]
            positions[heap[position].slot] = position
        }
        heap.removeLast()
        if position < heap.count {
            let slot = heap[position].slot
            siftUp(from: position)
            siftDown(from: positions[slot])
        }
    }

    private mutating func siftUp(from start: Int) {
        var child = start
        while child > 0 {
            let parent = (child - 1) / 2
            guard heap[child].deadline < heap[parent].deadline else { return }
            swap(child, parent)
            child = parent
        }
    }

    private mutating func siftDown(from start: Int) {
        var parent = start
        while true {
            var least = parent
            for child in (2 * parent + 1)...(2 * parent + 2)
            where child < heap.count && heap[child].deadline < heap[least].deadline {
                least = child
            }
            guard least != parent else { return }
            swap(parent, least)
            parent = least
        }
    }

    private mutating func swap(_ first: Int, _ second: Int) {
        heap.swapAt(first, second)
        positions[heap[first].slot] = first
        positions[heap[second].slot] = second
    }
}
