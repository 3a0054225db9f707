// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// A value at a fixed address that one owner reads and changes in place.
///
/// A stored property of a class is checked for overlapping access at run time, twice per use. On
/// the hot path that was the larger part of the gap to C, so what it touches for every message
/// lives in one of these. The owner must not start a second access inside a first one: everything
/// pinned belongs to a worker, which is one thread, and is changed only by methods that call no
/// one back.
@safe
struct Pinned<Value: ~Copyable>: ~Copyable {
    private let pointer: UnsafeMutablePointer<Value>

    init(_ value: consuming Value) {
        unsafe pointer = UnsafeMutablePointer.allocate(capacity: 1)
        unsafe pointer.initialize(to: value)
    }

    deinit {
        unsafe pointer.deinitialize(count: 1)
        unsafe pointer.deallocate()
    }

    var value: Value {
        @inline(__always) unsafeAddress { unsafe UnsafePointer(pointer) }
        @inline(__always) nonmutating unsafeMutableAddress { unsafe pointer }
    }
}
