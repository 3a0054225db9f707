// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// When the last messages of a connection were due and sent, by their sequence numbers.
@safe
struct SendTimes: ~Copyable {
    struct Times {
        /// When it was due; 0 in a closed model.
        var intended: UInt64
        /// When it was handed to the kernel.
        var sent: UInt64
    }

    /// More are not kept for one connection, 16 MiB.
    static let capacityMax: UInt64 = 1 << 20

    private var slots: UnsafeMutablePointer<Times>?
    private(set) var capacity: UInt64 = 0

    init() {}

    deinit {
        unsafe slots?.deallocate()
    }

    /// Makes room for those from `oldest` to before `end`; false if they are too many.
    @inline(__always)
    mutating func reserve(_ oldest: UInt64, _ end: UInt64) -> Bool {
        end - oldest <= capacity || grow(oldest, end)
    }

    @inline(never)
    private mutating func grow(_ oldest: UInt64, _ end: UInt64) -> Bool {
        guard end - oldest <= Self.capacityMax else { return false }
        var larger = max(capacity, 1)
        while larger < end - oldest { larger *= 2 }
        let grown = UnsafeMutablePointer<Times>.allocate(capacity: Int(larger))
        unsafe grown.initialize(repeating: Times(intended: 0, sent: 0), count: Int(larger))
        if let slots = unsafe slots {
            for sequence in oldest..<min(end, oldest + capacity) {
                unsafe grown[Int(sequence & (larger - 1))] = slots[Int(sequence & (capacity - 1))]
            }
            unsafe slots.deallocate()
        }
        unsafe slots = grown
        capacity = larger
        return true
    }

    /// Those of a message within the last `capacity` that there was room made for.
    subscript(sequence: UInt64) -> Times {
        @inline(__always) unsafeAddress { unsafe UnsafePointer(slot(sequence)) }
        @inline(__always) unsafeMutableAddress { unsafe slot(sequence) }
    }

    @unsafe
    @inline(__always)
    private func slot(_ sequence: UInt64) -> UnsafeMutablePointer<Times> {
        guard let slots = unsafe slots else { preconditionFailure("no times are kept") }
        return unsafe slots + Int(truncatingIfNeeded: sequence & (capacity &- 1))
    }
}
