// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import CApusSystem
import Glibc

/// Why the supervisor cannot start workers, or cannot go on.
package enum SupervisorError: Error, Equatable {
    /// The process has this many threads; of a forked one only the calling thread would go on.
    case threadsExist(count: Int)

    /// A refusal of the system: the call as the manual names it, and its error number.
    case system(operation: String, errno: Int32)

    /// Turns a result of CApusSystem into a value or the error that it stands for.
    @discardableResult
    static func check(_ operation: String, _ result: Int32) throws(SupervisorError) -> Int32 {
        guard result >= 0 else {
            throw .system(operation: operation, errno: -result)
        }
        return result
    }
}

extension SupervisorError: CustomStringConvertible {
    /// One sentence with the cause and, where there is one, the cure.
    package var description: String {
        switch self {
        case .threadsExist(let count):
            "fork needs a single-threaded process: it has \(count) threads; "
                + "start tasks and queues inside handlers, not before run"
        case .system(let operation, let errno):
            "the system refuses \(operation): \(errorText(errno))\(Self.cure(errno))"
        }
    }

    private static func cure(_ errno: Int32) -> String {
        switch errno {
        case EMFILE, ENFILE: "; raise the limit of open files (ulimit -n)"
        case EAGAIN: "; raise the limit of processes (ulimit -u, or the container's)"
        case ENOMEM: "; free memory or start fewer workers"
        case ENOSYS, EPERM: "; Linux 6.1 is needed, and a container profile that allows it"
        default: ""
        }
    }
}
