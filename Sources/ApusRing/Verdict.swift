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

    /// A mistake of ours, or a descriptor that the worker cannot do without is gone.
    case fatal

    /// The verdict on an error number, positive, of an operation.
    package static func verdict(for operation: OperationTag.Kind, errno: Int32) -> Verdict {
        switch (operation, errno) {
        case (_, EINTR), (_, EAGAIN):
            .retry

        // The listener goes on after whatever befell the one connection; accept(2) lists these.
        case (.accept, ECONNABORTED), (.accept, EPERM), (.accept, EPROTO), (.accept, ENETDOWN),
            (.accept, ENOPROTOOPT), (.accept, EHOSTDOWN), (.accept, ENONET),
            (.accept, EHOSTUNREACH), (.accept, EOPNOTSUPP), (.accept, ENETUNREACH),
            (.accept, ECONNRESET), (.accept, ETIMEDOUT), (.accept, ECANCELED):
            .retry
        case (.accept, EBADF), (.accept, EINVAL), (.accept, ENOTSOCK), (.accept, EFAULT):
            .fatal
        // EMFILE, ENFILE, ENOBUFS, ENOMEM; and no unknown error may be retried without a pause.
        case (.accept, _):
            .shed

        // Descriptors and memory of operations in flight are our own bookkeeping.
        case (.receive, EBADF), (.receive, ENOTSOCK), (.receive, EFAULT),
            (.send, EBADF), (.send, ENOTSOCK), (.send, EFAULT),
            (.writable, EBADF), (.writable, EFAULT):
            .fatal
        // All buffers were lent: they are given back before the receive is armed again.
        case (.receive, ENOBUFS):
            .retry
        // The kernel's queues are full, the connection is not at fault.
        case (.send, ENOBUFS):
            .retry
        // ECONNRESET, ETIMEDOUT, EPIPE, ENOTCONN, ECANCELED and what else a network can do.
        case (.receive, _), (.send, _), (.writable, _):
            .closeConnection

        // Signals and wake-ups: without them the worker is deaf.
        case (.readable, ECANCELED), (.readable, ENOMEM):
            .retry
        case (.readable, _):
            .fatal

        // ENOENT and EALREADY: the target ended by itself, and its own completion tells how.
        case (.cancel, ENOENT), (.cancel, EALREADY), (.cancel, ENOMEM):
            .retry
        case (.cancel, _):
            .fatal
        }
    }
}
