// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusProtocol
import ApusRing
import Logging

extension ConnectionDriver where Ring: ~Copyable {
    /// Up to this size output rides with the wait; what is larger can do with a system call.
    private var ridingByteCountMax: Int { 1 << 20 }

    // MARK: Into the queue

    /// A message or a control frame of the application.
    func send(
        _ opcode: Opcode,
        _ payload: UnsafeRawBufferPointer,
        compress: Bool,
        on webSocket: WebSocketConnection
    ) -> SendResult {
        guard webSocket.stage == .open, webSocket.machine.value.isOpen else { return .closed }
        if compress, isCompressed(payload.count, on: webSocket) {
            return unsafe sendCompressed(opcode, payload, on: webSocket, webSocket)
        }
        if webSocket.openMessage != .none || payload.count > fragmentByteCountMax,
            !opcode.isControl
        {
            return unsafe sendFragments(opcode, payload, on: webSocket, webSocket)
        }
        let header = FrameHeader(opcode: opcode, payloadByteCount: UInt64(payload.count))
        return unsafe send(header, payload, on: webSocket, webSocket)
    }

    /// A frame that may come where it does.
    func sendFrame(
        _ header: FrameHeader,
        _ payload: UnsafeRawBufferPointer,
        on webSocket: WebSocketConnection
    ) -> SendResult {
        guard let connection = webSocket.transport, connection.stage == .open,
            webSocket.machine.value.isOpen
        else { return .closed }
        let result = unsafe send(header, payload, on: webSocket, connection)
        if header.isFinal, !header.opcode.isControl, result.isTaken {
            releaseBroadcasts(to: webSocket, on: connection)
        }
        return result
    }

    @inline(__always)
    func send(
        _ header: FrameHeader,
        _ payload: UnsafeRawBufferPointer,
        on webSocket: WebSocketConnection,
        _ connection: Connection
    ) -> SendResult {
        var isDisplacing = false
        if !hasRoom(for: payload.count, on: connection) {
            if let refusal = makeRoom(for: payload.count, webSocket, connection) {
                // A piece of a message may come again, and a ping is none.
                let isMessage = header.opcode == .text || header.opcode == .binary
                if refusal == .dropped, isMessage, header.isFinal { counters.messagesDropped += 1 }
                return refusal
            }
            isDisplacing = true
        }
        if header.isFinal, !header.opcode.isControl { counters.messagesSent += 1 }
        // A client's is masked while it is copied.
        if payload.count >= uncopiedByteCountMin, !connection.isAwaitingWritable,
            !connection.isClient
        {
            unsafe sendUncopied(header, payload, on: connection)
            guard connection.stage == .open else { return .closed }
        } else {
            unsafe connection.output.value.append(header, payload, from: &outputPool.value)
            markDirty(connection)
        }
        guard connection.isAwaitingWritable else { return .sent }
        pauseIfBehind(connection)
        return isDisplacing ? .displaced : .queued
    }

    func appendBytes(_ bytes: [UInt8], on connection: Connection) {
        unsafe bytes.withUnsafeBytes {
            unsafe connection.output.value.append($0, from: &outputPool.value)
        }
        markDirty(connection)
    }

    /// Our Close frame; without a code it has no payload.
    func appendClose(_ code: CloseCode?, reason: String, on connection: Connection) {
        let payload = code.map { ClosePayload.encode($0, reason: reason) } ?? []
        appendControl(.close, payload, on: connection)
    }

    func appendControl(_ opcode: Opcode, _ payload: [UInt8], on connection: Connection) {
        let header = FrameHeader(opcode: opcode, payloadByteCount: UInt64(payload.count))
        unsafe payload.withUnsafeBytes {
            unsafe connection.output.value.append(header, $0, from: &outputPool.value)
        }
        markDirty(connection)
    }

    /// Of pongs that have to wait there is at most one, the latest; it overtakes queued data at a
    /// frame boundary.
    func appendPong(_ payload: [UInt8], on connection: Connection) {
        guard connection.isAwaitingWritable else {
            appendControl(.pong, payload, on: connection)
            return
        }
        let header = FrameHeader(opcode: .pong, payloadByteCount: UInt64(payload.count))
        unsafe payload.withUnsafeBytes {
            unsafe connection.output.value.appendPong(header, $0, from: &outputPool.value)
        }
    }

    @inline(__always)
    func markDirty(_ connection: Connection) {
        if !connection.isDirty { beginsToBeDirty(connection) }
    }

    @inline(never)
    private func beginsToBeDirty(_ connection: Connection) {
        guard !connection.isAwaitingWritable else { return }
        connection.isDirty = true
        dirty.append(connection)
    }

    // MARK: Out of the queue

    /// The end of the turn: one send for each connection that has output.
    ///
    /// They ride with the wait, so they cost no system call of their own, and each finds the
    /// kernel's code for it warm from the one before. What cannot ride goes out first, by system
    /// call: that may call handlers, and whatever they do must come before bytes are lent.
    func flushAll() {
        repeat {
            readEarlyFrames()
        } while flushWhatCannotRide() || !resumed.isEmpty
        for connection in dirty {
            connection.isDirty = false
            let bytes = unsafe connection.output.value.firstPart
            unsafe ring.send(bytes, on: connection.socket, tag: connection.tag(.send))
        }
        swap(&dirty, &riding)
    }

    /// Leaves those on the list that can; returns whether there were others, whose handlers may have
    /// closed any of these.
    private func flushWhatCannotRide() -> Bool {
        var isFlushing = false
        var index = 0
        while index < dirty.count {
            let connection = dirty[index]
            guard !canRide(connection) else {
                index += 1
                continue
            }
            dirty.swapAt(index, dirty.count - 1)
            dirty.removeLast()
            connection.isDirty = false
            flushNow(connection)
            isFlushing = true
        }
        return isFlushing
    }

    /// Whether the output can go out with the wait: nothing that follows must be known before it.
    private func canRide(_ connection: Connection) -> Bool {
        connection.stage == .open && !connection.isAwaitingWritable && !connection.hasWaited
            && (1...ridingByteCountMax).contains(connection.output.value.byteCount)
            && connection.output.value.isContiguous
            && (!connection.context.isSecure || sealToRide(connection))
    }

    /// After the wait: the sends that rode with it are done, but for those that a completion names.
    func settleSends(_ completionCount: Int) {
        guard !riding.isEmpty else { return }
        var refused: [(connection: Connection, result: Int32)] = []
        for index in 0..<completionCount {
            let completion = ring.completion(at: index)
            guard completion.tag.kind == .send,
                let connection = table.connection(for: completion.tag)
            else { continue }
            connection.isDirty = true
            refused.append((connection, completion.result))
        }
        // All queues first, since handlers that learn of a failure may do anything to any of them.
        for connection in riding where !connection.isDirty {
            connection.output.value.removeAll(to: &outputPool.value)
        }
        riding.removeAll(keepingCapacity: true)
        for (connection, result) in refused {
            connection.isDirty = false
            guard result >= 0 else { continue }
            settle(Int(result), of: connection.output.value.byteCount, on: connection)
        }
        for (connection, result) in refused where result < 0 {
            sendFailed(on: connection, errno: -result)
        }
    }

    func becameWritable(_ completion: Completion) {
        guard let connection = connection(endingOperationOf: completion) else { return }
        connection.isAwaitingWritable = false
        if connection.stage == .dropping {
            releaseIfIdle(connection)
        } else {
            flushNow(connection)
        }
    }

    /// Sends by system call until the queue is empty or the kernel takes no more.
    func flushNow(_ connection: Connection) {
        if sendQueue(of: connection) { flushed(connection) }
    }

    /// The same, but calls no handler that waits for it; false: none has anything to hear.
    func sendQueue(of connection: Connection) -> Bool {
        while !connection.isAwaitingWritable, !connection.output.value.isEmpty {
            if connection.context.isSecure, !connection.output.value.isSealed,
                let tls = connection.tls
            {
                guard sendSealed(by: tls, on: connection) else { return false }
                continue
            }
            let (offered, sent) = sendParts(of: connection)
            settle(sent, of: offered, on: connection)
            guard sent > 0 else { return false }
        }
        return true
    }

    /// Takes what was sent off the queue; what is left waits until the kernel takes more.
    private func settle(_ result: Int, of offered: Int, on connection: Connection) {
        guard result >= 0 else {
            sendFailed(on: connection, errno: Int32(clamping: -result))
            return
        }
        connection.output.value.removeFirst(result, to: &outputPool.value)
        if connection.hasWaited, let webSocket = connection.webSocket {
            webSocket.machine.value.peerMadeProgress(at: now)
        }
        if result < offered {
            counters.sendsShort += 1
            awaitWritable(connection)
        }
    }

    func sendFailed(on connection: Connection, errno: Int32) {
        if Verdict.ofSend(errno: errno) == .retry {
            awaitWritable(connection)
        } else {
            connectionLost(connection)
        }
    }

    /// One system call for as much of the queue as it takes parts.
    private func sendParts(of connection: Connection) -> (offered: Int, sent: Int) {
        let parts = unsafe sendScratch.parts
        let count = unsafe connection.output.value.fill(parts)
        let offered = unsafe UnsafeBufferPointer(rebasing: parts[..<count])
        return (
            unsafe offered.reduce(0) { $0 + $1.count },
            unsafe ring.sendNow(offered, on: connection.socket)
        )
    }
}
