// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import CApusSystem
import Glibc

/// Why an address cannot be listened on.
package struct ListenerError: Error, Equatable {
    /// What was attempted, as the manual names it, such as `bind`.
    package let operation: String

    /// The error number, positive; `ENOENT` for a name without an address.
    package let errno: Int32

    /// Where.
    package let spec: ListenerSpec

    init(operation: String, errno: Int32, spec: ListenerSpec) {
        self.operation = operation
        self.errno = errno
        self.spec = spec
    }
}

extension ListenerError: CustomStringConvertible {
    /// One sentence with the cause and the cure.
    package var description: String {
        "cannot listen on \(spec): \(explanation)"
    }

    private var explanation: String {
        switch (spec.address, errno) {
        case (.tcp, EADDRINUSE):
            "the address is in use; stop the other server or choose another --port"
        case (.tcp, EACCES):
            "permission denied; choose a --port of 1024 or more, or grant CAP_NET_BIND_SERVICE"
        case (.tcp, EADDRNOTAVAIL):
            "this machine has no such address; choose another --host"
        case (.tcp, EAFNOSUPPORT):
            "this machine does not speak that address family; choose another --host"
        case (.tcp, ENOENT):
            "the name has no address; correct --host or give a literal address"
        case (.tcp, EAGAIN):
            "the name cannot be looked up now; try again or give a literal address as --host"
        case (.unix, EADDRINUSE):
            "the address is in use; stop the other server or choose another --unix path"
        case (.unix, EEXIST):
            "a file that is not a socket is in the way; remove it or choose another --unix path"
        case (.unix, EACCES), (.unix, EROFS):
            "permission denied; choose a --unix path in a directory that may be written to"
        case (.unix(""), ENOENT):
            "the path is empty; give a --unix path"
        case (.unix, ENOENT):
            "the directory does not exist; create it or choose another --unix path"
        case (.unix, ENAMETOOLONG):
            "the path is over 107 bytes long; choose a shorter --unix path"
        case (_, EMFILE), (_, ENFILE):
            "no descriptor is left; raise the limit of open files (ulimit -n)"
        default:
            "\(operation) failed: \(errorText(errno))"
        }
    }
}
