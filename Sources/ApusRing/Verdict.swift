// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// What an error of an operation asks for: each error number that the ring can bring, once.
package enum Verdict: Equatable, Sendable {
    /// Nothing is broken: arm again, or send again once the socket is writable, if still wanted.
    case retry

    /// The system is short of something: take no new connections for a while.
    case shed

    /// This connection is over.
    case closeConnection

    /// A mistake of ours, that no peer and no shortage brings about.
    case fatal

    /// The verdict on an error number, positive, of an accept.
    package static func ofAccept(errno: Int32) -> Verdict {
        switch errno {
        // The listener goes on after whatever befell the one connection; accept(2) lists these.
        case EINTR, EAGAIN, ECONNABORTED, EPERM, EPROTO, ENETDOWN, ENOPROTOOPT, EHOSTDOWN, ENONET,
            EHOSTUNREACH, EOPNOTSUPP, ENETUNREACH, ECONNRESET, ETIMEDOUT, ECANCELED:
            .retry
        case EBADF, EINVAL, ENOTSOCK, EFAULT:
            .fatal
        // EMFILE, ENFILE, ENOBUFS, ENOMEM; and no unknown error may be retried without a pause.
        default:
            .shed
        }
    }

    /// The verdict on an error number, positive, of a connect.
    package static func ofConnect(errno: Int32) -> Verdict {
        switch errno {
        // Sockets are made for their address, and each is connected once.
        case EBADF, ENOTSOCK, EFAULT, EALREADY, EISCONN, EAFNOSUPPORT:
            .fatal
        // ECONNREFUSED, ETIMEDOUT, and what else a network, a path or an address can be.
        default:
            .closeConnection
        }
    }

    /// The verdict on an error number, positive, of a receive.
    package static func ofReceive(errno: Int32) -> Verdict {
        switch errno {
        // All buffers were lent: they are given back before the receive is armed again.
        case EINTR, EAGAIN, ENOBUFS: .retry
        // ECONNRESET, ETIMEDOUT and what else a network can do.
        default: .closeConnection
        }
    }

    /// The verdict on an error number, positive, of a send, by the ring or at once.
    package static func ofSend(errno: Int32) -> Verdict {
        switch errno {
        // With ENOBUFS the kernel's queues are full, the connection is not at fault.
        case EINTR, EAGAIN, ENOBUFS: .retry
        // EPIPE, ECONNRESET and what else a network can do.
        default: .closeConnection
        }
    }
}
