// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import CApusSystem
import Synchronization

/// What the workers pass broadcasts by; made before they are forked, and the same for all.
///
/// A region for each slot that its worker writes in, and for each slot a descriptor (an eventfd)
/// that wakes its worker, with a flag that says that it was written to. The flag is cleared by the
/// worker after it has emptied the descriptor and before it looks into the regions: so either a
/// sender sees it cleared and writes, or the worker sees what the sender has published.
///
/// Sendable since it is made of constants: what they lead to is changed by atomic operations, or by
/// the one worker whose it is.
@safe
final class BroadcastHub: @unchecked Sendable {
    /// How many bytes of its broadcasts a worker keeps for the others until they have taken them.
    static let ringByteCount = 1 << 20

    let slotCount: Int

    private let memory: UnsafeMutableRawPointer
    private let memoryByteCount: Int
    private let regionsOffset: Int
    private let ringByteCount: Int
    private let descriptors: [Int32]

    private static let lineByteCount = 64
    private static let pageByteCount = 4096

    /// Regions and descriptors for so many workers.
    init(slotCount: Int, ringByteCount: Int = ringByteCount) throws(ServerError) {
        self.slotCount = slotCount
        self.ringByteCount = ringByteCount
        let flagsByteCount = slotCount * Self.lineByteCount
        regionsOffset =
            (flagsByteCount + Self.pageByteCount - 1) / Self.pageByteCount * Self.pageByteCount
        let regionByteCount = BroadcastRegion.memoryByteCount(
            ringByteCount: ringByteCount,
            readerCount: slotCount
        )
        memoryByteCount = regionsOffset + slotCount * regionByteCount
        var opened: [Int32] = []
        for _ in 0..<slotCount {
            let descriptor = apus_event_open()
            guard descriptor >= 0 else {
                for descriptor in opened { apus_descriptor_close(descriptor) }
                throw Self.refusal("eventfd", -descriptor)
            }
            opened.append(descriptor)
        }
        var shared: UnsafeMutableRawPointer?
        let result = unsafe apus_memory_share(memoryByteCount, &shared)
        guard result >= 0, let shared = unsafe shared else {
            for descriptor in opened { apus_descriptor_close(descriptor) }
            throw Self.refusal("mmap", -result)
        }
        unsafe memory = unsafe shared
        descriptors = opened
        for slot in 0..<slotCount {
            let region = region(of: slot)
            for reader in 0..<slotCount { region.setCursor(BroadcastRegion.absent, of: reader) }
        }
    }

    deinit {
        unsafe apus_memory_release(memory, memoryByteCount)
        for descriptor in descriptors { apus_descriptor_close(descriptor) }
    }

    private static func refusal(_ operation: String, _ errno: Int32) -> ServerError {
        ServerError(
            .systemRefuses,
            "the system refuses \(operation) for broadcasts (error \(errno)); see `apus check`"
        )
    }

    /// The region that the worker of a slot writes in.
    func region(of slot: Int) -> BroadcastRegion {
        let regionByteCount = BroadcastRegion.memoryByteCount(
            ringByteCount: ringByteCount,
            readerCount: slotCount
        )
        return unsafe BroadcastRegion(
            memory + regionsOffset + slot * regionByteCount,
            ringByteCount: ringByteCount,
            readerCount: slotCount
        )
    }

    // MARK: Waking

    /// What becomes readable when the worker of a slot is woken.
    func descriptor(of slot: Int) -> Int32 { descriptors[slot] }

    /// Wakes the worker of a slot, unless it was and has not looked since.
    func wake(_ slot: Int) {
        let wasWoken = flag(of: slot) { $0.exchange(1, ordering: .sequentiallyConsistent) } != 0
        guard !wasWoken else { return }
        // An eventfd takes and gives eight bytes. It can only be full, and then it wakes anyway.
        var one: UInt64 = 1
        _ = unsafe apus_descriptor_write(descriptors[slot], &one, MemoryLayout<UInt64>.size)
    }

    /// The worker of a slot is awake and looks now.
    func woke(_ slot: Int) {
        var count: UInt64 = 0
        _ = unsafe apus_descriptor_read(descriptors[slot], &count, MemoryLayout<UInt64>.size)
        flag(of: slot) { $0.store(0, ordering: .sequentiallyConsistent) }
    }

    private func flag<Result>(
        of slot: Int,
        _ body: (borrowing BroadcastRegion.Word) -> Result
    ) -> Result {
        // The memory is zeros, which is a word of value 0, and nothing else is ever put there.
        let place = unsafe memory + slot * Self.lineByteCount
        return unsafe body(place.assumingMemoryBound(to: BroadcastRegion.Word.self).pointee)
    }
}
