// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol
import ApusRing
import Logging

extension ConnectionDriver where Ring: ~Copyable {
    /// How long accepting rests when descriptors or memory are short.
    private var acceptPause: Interval { .milliseconds(500) }

    /// Arms what is missing of each listener's few one-shot accepts.
    func armAccepts() {
        guard drain == nil else { return }
        if let until = acceptPausedUntil {
            guard until <= now else { return }
            acceptPausedUntil = nil
        }
        for index in isAccepting.indices where !isAccepting[index] {
            let listener = listeners[index / WorkerListener.acceptsInFlightMax]
            isAccepting[index] = true
            ring.accept(from: listener.descriptor, tag: acceptTag(index))
        }
    }

    func accepted(_ completion: Completion) {
        let index = Int(completion.tag.slot)
        guard isAccepting.indices.contains(index) else {
            counters.staleCompletions += 1
            return
        }
        isAccepting[index] = false
        closeListenersIfIdle()
        guard completion.result >= 0 else {
            acceptFailed(errno: -completion.result)
            return
        }
        open(completion.result, fromListener: index / WorkerListener.acceptsInFlightMax)
    }

    private func open(_ socket: Int32, fromListener index: Int) {
        counters.connectionsAccepted += 1
        let limit = configuration.maxConnections
        guard limit == 0 || table.count < 2 * limit else {
            // As many again are being told that there is no place; a flood is not told.
            counters.connectionsRefused += 1
            ring.close(socket)
            return
        }
        let deadline = now.advanced(by: configuration.handshakeTimeout)
        let remoteAddress = ring.remoteAddress(of: socket)
        let context = context(of: index)
        let connection = table.insert { slot, generation in
            Connection(
                socket: socket,
                slot: slot,
                generation: generation,
                context: context,
                now: now
            )
        }
        connection.remoteAddress = remoteAddress
        connection.opening = Opening(
            machine: HandshakeStateMachine(
                limits: configuration.handshakeLimits,
                deadline: deadline
            ),
            remoteAddress: remoteAddress,
            preface: preface(of: remoteAddress)
        )
        armReceive(on: connection)
        deadlines.set(deadline, slot: Int(connection.slot))
        if drain != nil || limit > 0 && table.count - endingCount > limit {
            counters.connectionsRefused += 1
            refuse(connection, with: .unavailable(reason: "no more connections here for now"))
        }
    }

    /// What the connections of a listener share; made anew where another server is mounted by now.
    private func context(of listenerIndex: Int) -> ConnectionContext {
        let httpServer = listeners[listenerIndex].httpServer
        let kept = contexts[listenerIndex].context
        if let kept, kept.server === httpServer.webSocketServer { return kept }
        let made = ConnectionContext(
            owner: self,
            httpServer: httpServer,
            tls: listeners[listenerIndex].tls,
            connectionConfiguration,
            compression: configuration.compression
        )
        contexts[listenerIndex].context = made
        return made
    }

    private func acceptFailed(errno: Int32) {
        // Canceled, or not to be armed again anyway.
        guard drain == nil else { return }
        counters.acceptsFailed += 1
        switch Verdict.ofAccept(errno: errno) {
        case .retry, .closeConnection:
            break
        case .fatal:
            preconditionFailure("a listener failed with error \(errno)")
        case .shed:
            if acceptPausedUntil == nil {
                logger.warning(
                    "accepting rests: the system has no more descriptors or memory",
                    metadata: ["errno": "\(errno)"]
                )
            }
            acceptPausedUntil = now.advanced(by: acceptPause)
        }
    }

    /// A worker that drains lets go of its listeners, so that clients are turned away at once.
    func closeListenersIfIdle() {
        guard drain != nil, !isAccepting.contains(true), !listenersAreClosed else { return }
        listenersAreClosed = true
        for listener in listeners { ring.close(listener.descriptor) }
    }

    /// Ends the accepts in flight; a connection that comes all the same is refused.
    func cancelAccepts() {
        for index in isAccepting.indices where isAccepting[index] {
            ring.cancel(
                acceptTag(index),
                tag: OperationTag(.cancel, generation: 0, slot: .max)
            )
        }
    }

    private func acceptTag(_ index: Int) -> OperationTag {
        OperationTag(.accept, generation: 0, slot: UInt32(index))
    }
}
