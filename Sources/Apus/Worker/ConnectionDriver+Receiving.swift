// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusProtocol
import ApusRing
import Glibc
import Logging

extension ConnectionDriver where Ring: ~Copyable {
    /// Bytes, an end, or an error of one connection.
    func received(_ completion: Completion) {
        guard let connection = connection(endingOperationOf: completion) else {
            ring.giveBack(completion)
            return
        }
        if !completion.hasMore {
            connection.isReceiving = false
            connection.isCancelingReceive = false
        }
        if completion.result > 0 {
            connection.fedTurn = turn
            let messageCount = counters.messagesReceived
            unsafe take(completion.bytes, from: connection)
            ring.giveBack(completion)
            if counters.messagesReceived != messageCount { connection.quiet = .no }
        } else if completion.result == 0 {
            ring.giveBack(completion)
            peerEnded(connection)
        } else {
            ring.giveBack(completion)
            receiveFailed(on: connection, errno: -completion.result)
        }
        if connection.stage == .dropping {
            releaseIfIdle(connection)
        } else if !connection.isReceiving, connection.fedTurn == turn {
            fed.append(connection)
        } else {
            updateReceiving(on: connection)
        }
    }

    /// Lets those receive again whose receive ended although they got something in this turn.
    ///
    /// All share the ring's buffers, and a peer that sends without end fills them all: who got
    /// nothing for want of one is armed before, or it never would.
    func receiveAgain() {
        for connection in fed where connection.stage != .released {
            updateReceiving(on: connection)
        }
        fed.removeAll(keepingCapacity: true)
        turn &+= 1
    }

    func take(_ bytes: UnsafeMutableRawBufferPointer, from connection: Connection) {
        if connection.context.isSecure {
            unsafe takeSealed(bytes, from: connection)
        } else {
            unsafe read(bytes, from: connection)
        }
    }

    /// Bytes as whoever speaks HTTP and WebSocket meant them.
    func read(_ bytes: UnsafeMutableRawBufferPointer, from connection: Connection) {
        switch connection.stage {
        case .open:
            if let opening = connection.opening {
                // Accepted in this turn: the frames that came before these are read first.
                unsafe opening.early.append(contentsOf: bytes)
                return
            }
            unsafe readFrames(bytes, from: 0, on: connection)
        case .opening:
            if let attempt = connection.attempt {
                unsafe readResponse(bytes, for: attempt, on: connection)
            } else {
                unsafe readOpening(bytes, on: connection)
            }
        case .finishing, .lingering, .dropping, .released:
            return
        }
    }

    /// Feeds the machine, and does what it says, until the bytes are used up.
    func readFrames(
        _ bytes: UnsafeMutableRawBufferPointer,
        from start: Int,
        on connection: Connection
    ) {
        guard let webSocket = connection.webSocket else { return }
        guard connection.pauses.isDisjoint(with: [.application, .reader, .broadcast, .held]),
            !waitsToInflate(webSocket, connection)
        else {
            unsafe hold(bytes, from: start, on: connection)
            return
        }
        readingSlot = connection.slot
        var span = unsafe MutableSpan<UInt8>(_unsafeBytes: bytes)
        var position = start
        // Loaded once, for every load is a retain, and again if a handler sets another one.
        var handler = webSocket.handlers?.message
        var version = handlersVersion
        repeat {
            webSocket.receive(&span, from: &position, into: &batch.value, at: now)
            while let action = webSocket.machine.value.nextAction(
                of: &batch.value,
                in: span.span,
                at: now
            ) {
                if case .message(let part) = action, part.isFirst, part.isLast,
                    part.payload.place == .received, assemblesFragments, part.reservedBits == 0
                {
                    let range = part.payload.range
                    let memory = unsafe UnsafeRawBufferPointer(rebasing: bytes[range])
                    let isLarge = range.count >= uncopiedByteCountMin
                    if isLarge {
                        let before = unsafe bytes[..<range.lowerBound]
                        unsafe sendScratch.beforeMessage = .init(rebasing: before)
                    }
                    unsafe deliver(part.kind, memory, to: handler, of: webSocket, on: connection)
                    if isLarge { unsafe sendScratch.beforeMessage = nil }
                } else {
                    unsafe perform(action, with: bytes, for: webSocket, on: connection)
                }
                if version != handlersVersion {
                    handler = webSocket.handlers?.message
                    version = handlersVersion
                }
            }
        } while position < span.count && !batch.value.isHeld
        readingSlot = .max
        if sendScratch.isBorrowing { sendBorrowed(on: connection) }
        if batch.value.isHeld { unsafe hold(bytes, from: position, on: connection) }
    }

    func perform(
        _ action: ConnectionAction,
        with bytes: UnsafeMutableRawBufferPointer,
        for webSocket: WebSocketConnection,
        on connection: Connection
    ) {
        switch action {
        case .message(let part):
            unsafe deliver(part, of: bytes, to: webSocket, on: connection)
        case .ping:
            answerPing(batch.value.controlPayload, for: webSocket, on: connection)
        case .pong:
            tell(webSocket, on: connection) {
                try webSocket.extras?.pongHandler?(batch.value.controlPayload)
            }
        case .peerClosed(let code, let reply):
            if reply {
                appendClose(code == .noStatusReceived ? nil : code, reason: "", on: connection)
            }
            end(webSocket, on: connection)
            if connection.output.value.isEmpty, !connection.isClient, connection.tls == nil {
                // It answers our Close, so it has read all that we sent: nothing to wait for.
                drop(connection)
            } else {
                // Ours is its answer, or crossed it and still waits behind what was sent before; or
                // it is for the server to end the transport first, RFC 6455 §7.1.1.
                finish(connection)
            }
        case .fail(let violation, let sendClose):
            counters.protocolViolations += 1
            if sendClose {
                appendClose(violation.closeCode, reason: "\(violation)", on: connection)
            }
            end(webSocket, on: connection)
            finish(connection)
        }
    }

    /// The pong goes out behind what the handler sends, unless it cancels that or closes.
    private func answerPing(
        _ payload: [UInt8],
        for webSocket: WebSocketConnection,
        on connection: Connection
    ) {
        if let handler = webSocket.extras?.pingHandler {
            var pong = AutomaticPong()
            tell(webSocket, on: connection) { try handler(payload, &pong) }
            guard !pong.isCanceled, connection.stage == .open, webSocket.machine.value.isOpen
            else { return }
        }
        appendPong(payload, on: connection)
    }

    /// A part of a message, as it was received.
    private func deliver(
        _ part: MessagePart,
        of bytes: UnsafeMutableRawBufferPointer,
        to webSocket: WebSocketConnection,
        on connection: Connection
    ) {
        // What lies in the target is behind the message's beginning already.
        let isReceived = part.payload.place == .received
        let memory = unsafe UnsafeRawBufferPointer(
            rebasing: isReceived ? bytes[part.payload.range] : bytes[..<0]
        )
        if part.isFirst ? part.isCompressed : webSocket.isInflating {
            unsafe inflate(part, memory, for: webSocket, on: connection)
        } else {
            unsafe deliver(part, memory, to: webSocket, on: connection)
        }
    }

    /// A part of a message: handed on as it is, or put together with the others.
    func deliver(
        _ part: MessagePart,
        _ memory: UnsafeRawBufferPointer,
        to webSocket: WebSocketConnection,
        on connection: Connection
    ) {
        guard assemblesFragments else {
            unsafe handOn(part, memory, to: webSocket, on: connection)
            return
        }
        unsafe assemble(part, memory, for: webSocket)
        guard part.isLast else { return }
        // Taken out first: the handler may end the connection, and that frees what it holds.
        var assembly = webSocket.takeAssembly()
        unsafe deliver(
            part.kind,
            assembly.bytes,
            to: webSocket.handlers?.message,
            of: webSocket,
            on: connection
        )
        assembly.removeAll(to: &messageBuffers.value)
    }

    /// Puts a part behind those before it.
    func assemble(
        _ part: MessagePart,
        _ memory: UnsafeRawBufferPointer,
        for webSocket: WebSocketConnection
    ) {
        guard memory.count > 0 else { return }
        webSocket.withExtras {
            unsafe $0.assembly.append(
                memory,
                remaining: part.remainingByteCount,
                from: &messageBuffers.value
            )
        }
    }

    func deliver(
        _ kind: MessageKind,
        _ memory: UnsafeRawBufferPointer,
        to handler: (@WorkerActor (borrowing WebSocketMessage) throws -> Void)?,
        of webSocket: WebSocketConnection,
        on connection: Connection
    ) {
        counters.messagesReceived += 1
        guard let handler else { return }
        do {
            try handler(unsafe WebSocketMessage(kind: kind, borrowing: memory))
        } catch {
            handlerFailed(error, of: webSocket, on: connection)
        }
    }

    /// A part of a message that is not put together.
    private func handOn(
        _ part: MessagePart,
        _ memory: UnsafeRawBufferPointer,
        to webSocket: WebSocketConnection,
        on connection: Connection
    ) {
        if part.isLast { counters.messagesReceived += 1 }
        // More of a message is awaited as a message is.
        connection.quiet = .no
        guard let handler = webSocket.extras?.frameHandler else { return }
        do {
            try handler(unsafe WebSocketFramePart(part, borrowing: memory))
        } catch {
            handlerFailed(error, of: webSocket, on: connection)
        }
    }

    /// Calls a handler; an error that it throws closes this connection (1011), and only this one.
    func tell(
        _ webSocket: WebSocketConnection,
        on connection: Connection,
        _ handler: @WorkerActor () throws -> Void
    ) {
        do {
            try handler()
        } catch {
            handlerFailed(error, of: webSocket, on: connection)
        }
    }

    private func handlerFailed(
        _ error: any Error,
        of webSocket: WebSocketConnection,
        on connection: Connection
    ) {
        counters.handlerErrors += 1
        logger.error(
            "a handler threw: its connection closes with 1011",
            metadata: ["error": "\(error)"]
        )
        fail(webSocket, on: connection, .internalError, "internal error")
    }

    func peerEnded(_ connection: Connection) {
        connection.peerHasEnded = true
        // What it sent before its end is read before its end is told.
        guard connection.held == nil else { return }
        switch connection.stage {
        case .opening where isAnswering(connection):
            clientEnded(connection)
        case .opening, .lingering:
            if let attempt = connection.attempt { serverEnded(attempt, on: connection) }
            drop(connection)
        case .open where connection.opening != nil:
            // Accepted in this turn: its early frames are read with the next flush.
            break
        case .open:
            if let webSocket = connection.webSocket {
                transportClosed(webSocket, on: connection)
            }
            drop(connection)
        case .finishing:
            // It may still read what we have to say; the FIN ends it.
            if connection.output.value.isEmpty { drop(connection) }
        case .dropping, .released:
            break
        }
    }

    /// What came before was read; what comes next is the peer's end, where that has come too.
    func caughtUp(on connection: Connection) {
        if connection.peerHasEnded {
            peerEnded(connection)
        } else {
            updateReceiving(on: connection)
        }
    }

    private func receiveFailed(on connection: Connection, errno: Int32) {
        // By us alone; it is armed again if bytes are wanted by now.
        guard errno != ECANCELED else { return }
        if Verdict.ofReceive(errno: errno) == .retry {
            // No buffer was free. Those of this turn are back before the receive is armed again.
            counters.receiveBuffersExhausted += 1
        } else {
            connectionLost(connection)
        }
    }

    // MARK: Arming

    func armReceive(on connection: Connection) {
        connection.isReceiving = true
        beganOperation(on: connection)
        if staysQuiet(connection) {
            connection.quiet = .polling
            ring.awaitReadable(connection.socket, tag: connection.tag(.arrival))
        } else {
            connection.quiet = .no
            ring.receive(on: connection.socket, tag: connection.tag(.receive))
        }
    }

    /// Arms or ends the receive so that it is as the connection wants it.
    func updateReceiving(on connection: Connection) {
        if connection.wantsBytes {
            if !connection.isReceiving { armReceive(on: connection) }
        } else if connection.isReceiving, !connection.isCancelingReceive,
            connection.stage == .open || connection.stage == .opening
        {
            cancelReceive(on: connection)
        }
    }

    func canceled(_ completion: Completion) {
        guard completion.tag.slot != .max else { return }  // an accept's
        guard let connection = connection(endingOperationOf: completion) else { return }
        // Not found, or too late: the receive ends by itself, and its completion tells; should it go
        // on all the same, its next one asks again.
        if completion.result < 0 { connection.isCancelingReceive = false }
        releaseIfIdle(connection)
    }
}
