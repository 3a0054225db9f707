// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusProtocol
import ApusRing
import Logging

// MARK: What connections ask of their worker

extension ConnectionDriver: WebSocketOwner where Ring: ~Copyable {
    func handlersChanged() {
        handlersVersion &+= 1
    }

    /// The application closes: our Close goes out, the peer's is awaited.
    func close(_ webSocket: WebSocketConnection, _ code: CloseCode?, reason: String) {
        guard let connection = webSocket.transport,
            webSocket.machine.value.close(at: now)
        else { return }
        // What has come of a message is for nobody now.
        dropAssembly(of: webSocket)
        appendClose(code, reason: reason, on: connection)
        deadlines.set(webSocket.machine.value.deadline, slot: Int(connection.slot))
        // The peer's Close is waited for.
        resume(webSocket, from: .holding)
    }

    /// We give the connection up: a Close with the code goes out, then the transport ends.
    func fail(
        _ webSocket: WebSocketConnection,
        on connection: Connection,
        _ code: CloseCode,
        _ reason: String
    ) {
        let outcome = ConnectionOutcome(code: code, reason: reason)
        if webSocket.machine.value.fail(with: outcome, at: now) {
            appendClose(code, reason: reason, on: connection)
        }
        end(webSocket, on: connection)
        finish(connection)
    }

    /// The application drops the connection: no Close, no waiting.
    func drop(_ webSocket: WebSocketConnection, reason: String) {
        guard let connection = webSocket.transport else { return }
        let outcome = ConnectionOutcome(code: .abnormalClosure, reason: reason)
        _ = webSocket.machine.value.fail(with: outcome, at: now)
        end(webSocket, on: connection)
        drop(connection)
    }
}

extension ConnectionDriver where Ring: ~Copyable {
    // MARK: The WebSocket's end

    func transportClosed(_ webSocket: WebSocketConnection, on connection: Connection) {
        if webSocket.machine.value.transportClosed(at: now) != nil {
            end(webSocket, on: connection)
        }
    }

    /// Tells the application, once, how the connection ended.
    func end(_ webSocket: WebSocketConnection, on connection: Connection) {
        guard let handlers = webSocket.handlers, let outcome = webSocket.machine.value.closeOutcome
        else { return }
        webSocket.handlers = nil
        webSocket.extras?.dropHandlers()
        dropAssembly(of: webSocket)
        endCompression(of: webSocket)
        broadcasts.held[connection.slot] = nil
        let server = webSocket.server
        server?.ended(webSocket)
        webSocket.stream?.finish(outcome)
        tellOfEnd { try handlers.close?(outcome.code, outcome.reason) }
        tellOfEnd { try server?.closeHandler?(webSocket, outcome.code, outcome.reason) }
    }

    private func dropAssembly(of webSocket: WebSocketConnection) {
        guard webSocket.extras != nil else { return }
        dropInflatingMessage(of: webSocket)
        var assembly = webSocket.takeAssembly()
        assembly.removeAll(to: &messageBuffers.value)
    }

    /// Calls a handler that can end nothing any more; what it throws keeps the next from nothing.
    func tellOfEnd(_ handler: @WorkerActor () throws -> Void) {
        do {
            try handler()
        } catch {
            counters.handlerErrors += 1
            logger.error("a handler of an end threw", metadata: ["error": "\(error)"])
        }
    }

    /// Nobody waits for the request any more; returns who wants to hear that, to be told in the end.
    private func leaveOpening(_ connection: Connection) -> (@WorkerActor () throws -> Void)? {
        let opening = connection.opening
        connection.opening = nil
        opening?.exchange?.task?.cancel()
        return opening?.request?.abandon()
    }

    // MARK: The transport's end

    /// What is queued goes out, then our FIN, then the peer's is awaited: orderly, but not for ever.
    func finish(_ connection: Connection) {
        switch connection.stage {
        case .opening, .open: break
        case .finishing, .lingering, .dropping, .released: return
        }
        connection.stage = .finishing
        endingCount += 1
        let goneHandler = leaveOpening(connection)
        connection.pauses = []
        connection.held = nil
        // The machine's deadline may run since our Close: a peer cannot prolong its own end.
        let deadline = connection.webSocket?.machine.value.deadline
        deadlines.set(
            deadline ?? now.advanced(by: configuration.closeTimeout),
            slot: Int(connection.slot)
        )
        if connection.output.value.isEmpty { sendFIN(on: connection) }
        updateReceiving(on: connection)
        if let goneHandler { tellOfEnd(goneHandler) }
    }

    func sendFIN(on connection: Connection) {
        if let tls = connection.tls, closes(tls, of: connection) { return }
        guard !connection.peerHasEnded else {
            drop(connection)
            return
        }
        connection.stage = .lingering
        // The server's comes first, so that its side is spared the wait for late packets, RFC 6455
        // §7.1.1; where we failed the connection too, not to cut off what it still reads.
        if !connection.isClient { ring.shutdownSending(connection.socket) }
    }

    /// The kernel says that the connection is broken.
    func connectionLost(_ connection: Connection) {
        fail(connection, .connectionLost)
        if let webSocket = connection.webSocket {
            transportClosed(webSocket, on: connection)
        }
        drop(connection)
    }

    /// Ends both directions at once; the descriptor is closed when no operation is in flight.
    func drop(_ connection: Connection) {
        switch connection.stage {
        case .dropping, .released: return
        case .opening, .open: endingCount += 1
        case .finishing, .lingering: break
        }
        connection.stage = .dropping
        connection.held = nil
        let goneHandler = leaveOpening(connection)
        deadlines.set(nil, slot: Int(connection.slot))
        connection.output.value.removeAll(to: &outputPool.value)
        if connection.attempt?.isConnecting == true {
            cancelConnect(of: connection)
        } else if connection.socket >= 0, connection.operationCount > 0 {
            // Ends an armed receive with 0, and a wait for writability; a close is all else it takes.
            ring.shutdownBoth(connection.socket)
        }
        releaseIfIdle(connection)
        if let goneHandler { tellOfEnd(goneHandler) }
    }

    func releaseIfIdle(_ connection: Connection) {
        guard connection.stage == .dropping, connection.operationCount == 0 else { return }
        connection.stage = .released
        connection.attempt = nil
        connection.tls = nil
        table.remove(connection)
        endingCount -= 1
        if connection.socket >= 0 { ring.close(connection.socket) }
    }

    // MARK: Time

    /// A ping takes memory until it is sent: those of thousands that opened together go out in
    /// several turns.
    var timersPerTurnMax: Int { 64 }

    /// Asks every connection whose deadline has come, after a wait that brought so many completions.
    func fireTimers(after completionCount: Int) {
        if let deadline = drain?.deadline, deadline <= now { cutAll() }
        guard !isCatchingUp(completionCount) else { return }
        for _ in 0..<timersPerTurnMax {
            guard let slot = deadlines.popDue(at: now) else { return }
            guard let connection = table.connection(in: slot) else { continue }
            switch connection.stage {
            case .opening: openingTimedOut(connection)
            case .open: webSocketTimerFired(on: connection)
            case .finishing, .lingering:
                counters.closeTimeouts += 1
                drop(connection)
            case .dropping, .released: break
            }
        }
    }

    /// Whether peers may have been in time although what they sent is still with the kernel.
    ///
    /// Of what came while the worker was stopped, or in a slow handler, a wait brings nothing if a
    /// signal ends it, and else only some (20 completions from Linux 6.13 on). So deadlines that late
    /// wait for a further turn that brings nothing, but not for ever on a worker that has none.
    private func isCatchingUp(_ completionCount: Int) -> Bool {
        guard let next = deadlines.next, next.advanced(by: .milliseconds(50)) <= now,
            next > caughtUpUntil, catchUpTurnCount == 0 || completionCount > 0,
            catchUpTurnCount < 1000
        else {
            catchUpTurnCount = 0
            caughtUpUntil = now
            return false
        }
        catchUpTurnCount += 1
        return true
    }

    private func webSocketTimerFired(on connection: Connection) {
        guard let webSocket = connection.webSocket else { return }
        let slot = Int(connection.slot)
        // Of a peer that is not read from, silence says nothing.
        if !connection.pauses.isDisjoint(with: .holding) {
            webSocket.machine.value.peerMadeProgress(at: now)
        }
        switch webSocket.machine.value.timerFired(at: now) {
        case .wait(let until):
            deadlines.set(until, slot: slot)
        case .sendPing(let until):
            appendControl(.ping, [], on: connection)
            dropIdleDeflater(of: webSocket)
            restTLS(of: connection)
            deadlines.set(until, slot: slot)
            becomeQuiet(connection)
        case .keepaliveTimedOut:
            counters.keepaliveTimeouts += 1
            drop(webSocket, reason: "no answer to a ping")
        case .closeTimedOut:
            counters.closeTimeouts += 1
            connectionLost(connection)
        }
    }

    // MARK: The worker's end

    /// Accepts no more, closes every connection with 1001, and waits for that until the deadline.
    func beginDrain() {
        setDrainDeadline(within: nil)
        guard drain?.hasBegun == false else { return }
        drain?.hasBegun = true
        startTask?.cancel()
        acceptPausedUntil = nil
        cancelAccepts()
        closeListenersIfIdle()
        for connection in table.all {
            switch connection.stage {
            case .open:
                if let webSocket = connection.webSocket {
                    let side = connection.isClient ? "client" : "server"
                    close(webSocket, .goingAway, reason: "\(side) is going away")
                }
            case .opening where connection.isClient:
                fail(connection, .shuttingDown)
            case .opening:
                endOpening(connection)
            case .finishing, .lingering, .dropping, .released:
                break
            }
        }
    }

    /// The time to drain is over: what is still open is cut.
    private func cutAll() {
        drain?.deadline = nil
        for connection in table.all {
            // Where our FIN went out, the peer has all that there was to say.
            if connection.stage != .lingering, connection.stage != .dropping {
                drain?.cutCount += 1
            }
            connectionLost(connection)
        }
    }
}
