// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// Memory that messages are put together in when they come in more than one piece.
///
/// Fresh memory of that size costs as much in page faults as the copy into it, so a few buffers
/// are kept for the next message.
@safe
struct MessageBufferPool: ~Copyable {
    /// How much unused memory is kept, in bytes.
    private static let freeByteCountMax = 8 << 20

    private var free: [UnsafeMutableRawBufferPointer] = unsafe []
    private var freeByteCount = 0

    /// How many buffers messages hold now.
    private(set) var lentCount = 0

    init() {}

    deinit {
        unsafe free.forEach { unsafe $0.deallocate() }
    }

    /// Memory of at least `byteCount` bytes.
    mutating func take(_ byteCount: Int) -> UnsafeMutableRawBufferPointer {
        lentCount += 1
        if let index = unsafe free.lastIndex(where: { $0.count >= byteCount }) {
            let buffer = unsafe free.remove(at: index)
            freeByteCount -= buffer.count
            return unsafe buffer
        }
        return UnsafeMutableRawBufferPointer.allocate(
            byteCount: max(byteCount, 4096),
            alignment: 64
        )
    }

    /// Takes the memory back.
    mutating func give(_ buffer: UnsafeMutableRawBufferPointer) {
        lentCount -= 1
        guard freeByteCount + buffer.count <= Self.freeByteCountMax else {
            unsafe buffer.deallocate()
            return
        }
        freeByteCount += buffer.count
        unsafe free.append(buffer)
    }
}

/// A message of which the end has not come: the bytes so far.
@safe
struct MessageAssembly: ~Copyable {
    private var buffer = unsafe UnsafeMutableRawBufferPointer(start: nil, count: 0)
    /// How many bytes have come.
    private(set) var byteCount = 0

    init() {}

    var isEmpty: Bool { byteCount == 0 }

    /// How many bytes there is room for.
    var capacity: Int { unsafe buffer.count }

    /// The bytes so far, in one piece.
    var bytes: UnsafeRawBufferPointer {
        unsafe UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[..<byteCount])
    }

    /// Copies a part behind the others.
    ///
    /// The frame that it belongs to has `remaining` bytes to come, so there is room for all of it at
    /// once; but announcing a length costs a peer nothing, so for no more than a few times what came.
    mutating func append(
        _ part: UnsafeRawBufferPointer,
        remaining: Int,
        from pool: inout MessageBufferPool
    ) {
        guard let source = part.baseAddress else { return }
        let needed = byteCount + part.count
        if needed > capacity {
            let announced = min(needed + remaining, 4 * needed)
            grow(to: max(announced, 2 * capacity), from: &pool)
        }
        if let base = unsafe buffer.baseAddress {
            unsafe (base + byteCount).copyMemory(from: source, byteCount: part.count)
        }
        byteCount = needed
    }

    /// Makes room for so many bytes in all.
    mutating func reserve(_ capacity: Int, from pool: inout MessageBufferPool) {
        if capacity > self.capacity { grow(to: capacity, from: &pool) }
    }

    /// Lends the room behind the bytes so far; what was put there belongs to the message.
    mutating func withRoom(_ body: (inout OutputSpan<UInt8>) -> Void) {
        let memory = unsafe buffer.bindMemory(to: UInt8.self)
        var room = unsafe OutputSpan(buffer: memory, initializedCount: byteCount)
        body(&room)
        byteCount = unsafe room.finalize(for: memory)
    }

    /// Gives the memory back.
    mutating func removeAll(to pool: inout MessageBufferPool) {
        byteCount = 0
        guard unsafe buffer.baseAddress != nil else { return }
        unsafe pool.give(buffer)
        unsafe buffer = unsafe UnsafeMutableRawBufferPointer(start: nil, count: 0)
    }

    private mutating func grow(to capacity: Int, from pool: inout MessageBufferPool) {
        let larger = unsafe pool.take(capacity)
        if let source = unsafe buffer.baseAddress, let target = larger.baseAddress {
            unsafe target.copyMemory(from: source, byteCount: byteCount)
            unsafe pool.give(buffer)
        }
        unsafe buffer = unsafe larger
    }
}
