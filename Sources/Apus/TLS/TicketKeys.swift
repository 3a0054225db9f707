// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusTLS
import CApusSystem
import Synchronization

/// The keys that session tickets are sealed with, the same for all workers: a client that comes back
/// may come to another one, or to the successor of one that is gone.
///
/// ```
/// number n │ key of number n % 3 = 0 │ … = 1 │ … = 2
/// ```
/// The supervisor makes them before it forks and is the one that writes. Key n is the current one, the
/// one before still opens tickets, and only the third place is ever written, after which the number
/// goes up: so a worker reads without a lock. A worker whose copy takes longer than the time between
/// two rotations could read a torn key, with which no ticket could be opened.
///
/// Sendable since it is made of constants: what they lead to is changed as said above.
@safe
final class TicketKeys: @unchecked Sendable {
    private static let memoryByteCount = 4096
    private static let keysOffset = 64
    private static let slotCount: UInt64 = 3

    private let memory: UnsafeMutableRawPointer

    init() throws(ServerError) {
        var shared: UnsafeMutableRawPointer?
        let result = unsafe apus_memory_share(Self.memoryByteCount, &shared)
        guard result >= 0, let shared = unsafe shared else { throw Self.refusal("mmap", -result) }
        unsafe memory = unsafe shared
        // Two, so that the one before is one as well.
        for _ in 0..<2 {
            let result = rotate()
            guard result >= 0 else { throw Self.refusal("getrandom", -result) }
        }
    }

    deinit {
        unsafe apus_memory_release(memory, Self.memoryByteCount)
    }

    private static func refusal(_ operation: String, _ errno: Int32) -> ServerError {
        ServerError(
            .systemRefuses,
            "the system refuses \(operation) for session tickets (error \(errno))"
        )
    }

    /// A new key becomes the current one; where there is no randomness all stays as it is.
    @discardableResult
    func rotate() -> Int32 {
        let next = number + 1
        let result = unsafe apus_random_fill(place(of: next), TLSContext.ticketKeyByteCount)
        if result >= 0 { number = next }
        return result
    }

    /// No ticket that was sealed so far can be opened any more, by anybody.
    func wipe() {
        unsafe apus_memory_wipe(
            memory + Self.keysOffset,
            Int(Self.slotCount) * TLSContext.ticketKeyByteCount
        )
    }

    /// The number of the current key, which changes with it.
    private(set) var number: UInt64 {
        get { word { $0.load(ordering: .acquiring) } }
        set { word { $0.store(newValue, ordering: .releasing) } }
    }

    /// Lends the current key and the one before, where they lie: whoever needs them copies them to
    /// memory that is cleared.
    func withCurrent(
        _ body: (_ current: UnsafeRawBufferPointer, _ previous: UnsafeRawBufferPointer) -> Void
    ) {
        let number = number
        unsafe body(bytes(of: number), bytes(of: number - 1))
    }

    private func bytes(of number: UInt64) -> UnsafeRawBufferPointer {
        unsafe UnsafeRawBufferPointer(
            start: place(of: number),
            count: TLSContext.ticketKeyByteCount
        )
    }

    private func place(of number: UInt64) -> UnsafeMutableRawPointer {
        let index = Int(number % Self.slotCount)
        return unsafe memory + Self.keysOffset + index * TLSContext.ticketKeyByteCount
    }

    private func word<Result>(_ body: (borrowing Atomic<UInt64>) -> Result) -> Result {
        // The memory is zeros, which is a word of value 0, and nothing else is ever put there.
        unsafe body(memory.assumingMemoryBound(to: Atomic<UInt64>.self).pointee)
    }
}

/// What a worker has seen of the keys.
struct TicketKeysSeen {
    let keys: TicketKeys
    private var number: UInt64 = 0

    init(_ keys: TicketKeys) {
        self.keys = keys
    }

    /// The keys if they have changed since the last call.
    mutating func changed() -> TicketKeys? {
        let number = keys.number
        guard number != self.number else { return nil }
        self.number = number
        return keys
    }
}
