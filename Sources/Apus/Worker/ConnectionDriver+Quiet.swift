// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol
import ApusRing
import Glibc

/// Connections on which nothing happens for long.
///
/// A receive that waits for bytes takes the kernel three times the memory of a poll that waits for
/// them. So a connection that was silent for a keepalive interval is polled, and received from once
/// whenever there is something; a pong, or another control frame, leaves it so. A message brings
/// the receive back.
///
/// ```
///          a ping is due                     something is there
///   no ─────────────────▶ reading ─▶ polling ◀────────────────▶ reading
///    ▲    (cancels the receive)              no message in it      │
///    └─────────────────────────────────────────────────────────────┘
///                               a message
/// ```
/// There is one operation at a time, so nothing is reordered, and whatever one leaves in the socket
/// the next one finds.
extension ConnectionDriver where Ring: ~Copyable {
    /// Nothing has come for a keepalive interval.
    func becomeQuiet(_ connection: Connection) {
        guard connection.quiet != .polling, connection.isReceiving,
            !connection.isCancelingReceive
        else { return }
        if connection.quiet == .no { counters.connectionsQuieted += 1 }
        cancelReceive(on: connection)
        connection.quiet = .reading
    }

    /// Whether a connection whose receive has ended is to be polled.
    func staysQuiet(_ connection: Connection) -> Bool {
        connection.quiet != .no && !connection.isAssembling
    }

    /// A quiet connection has something to receive, or the poll has ended.
    func arrived(_ completion: Completion) {
        guard let connection = connection(endingOperationOf: completion) else { return }
        connection.isReceiving = false
        connection.isCancelingReceive = false
        if connection.stage == .dropping {
            releaseIfIdle(connection)
            return
        }
        guard completion.result >= 0, connection.wantsBytes else {
            // A poll that fails for want of memory is not tried again at once.
            if completion.result != -ECANCELED { connection.quiet = .no }
            updateReceiving(on: connection)
            return
        }
        // A peer whose bytes are there is no silent one, though they are read after the next wait.
        connection.webSocket?.machine.value.peerMadeProgress(at: now)
        connection.quiet = .reading
        connection.isReceiving = true
        beganOperation(on: connection)
        ring.receiveOnce(on: connection.socket, tag: connection.tag(.receive))
    }

    /// Ends whichever operation would bring bytes, or tell of them.
    func cancelReceive(on connection: Connection) {
        connection.isCancelingReceive = true
        beganOperation(on: connection)
        let kind: OperationTag.Kind = connection.quiet == .polling ? .arrival : .receive
        ring.cancel(connection.tag(kind), tag: connection.tag(.cancel))
    }
}
