// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// A value that one owner reads and changes in place, inside of its owner.
///
/// A stored property of a class is checked for overlapping access at run time, twice per use. On
/// the hot path that was the larger part of the gap to C, so what it touches for every message
/// lives in one of these: a cell has an address and no checks, as that of a `Mutex`, and takes no
/// room but the value's. The owner must not start a second access inside a first one: everything
/// pinned belongs to a worker, which is one thread, and is changed only by methods that call no
/// one back.
@safe
struct Pinned<Value: ~Copyable>: ~Copyable {
    private let cell: _Cell<Value>

    init(_ value: consuming Value) {
        cell = _Cell(value)
    }

    var value: Value {
        // The cell stays where it is as long as its owner does, a class or a variable that is lent.
        @inline(__always) unsafeAddress { unsafe UnsafePointer(cell._address) }
        @inline(__always) nonmutating unsafeMutableAddress { unsafe cell._address }
    }
}
