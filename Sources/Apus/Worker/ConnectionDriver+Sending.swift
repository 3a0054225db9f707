// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusProtocol
import ApusRing
import Logging

extension ConnectionDriver where Ring: ~Copyable {
    /// From this size on a payload is sent from where it lies, without a copy.
    var uncopiedByteCountMin: Int { 4096 }

    // MARK: Into the queue

    /// A message or a control frame of the application.
    func send(
        _ opcode: Opcode,
        _ payload: UnsafeRawBufferPointer,
        on webSocket: WebSocketConnection
    ) -> SendResult {
        guard let connection = webSocket.transport, connection.stage == .open,
            webSocket.machine.value.isOpen
        else { return .closed }
        if webSocket.openMessage != .none || payload.count > fragmentByteCountMax,
            !opcode.isControl
        {
            return unsafe sendFragments(opcode, payload, on: webSocket, connection)
        }
        let header = FrameHeader(opcode: opcode, payloadByteCount: UInt64(payload.count))
        return unsafe send(header, payload, on: webSocket, connection)
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
    private func send(
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

    /// Queued bytes, header and payload in one system call; what does not fit is copied and queued.
    private func sendUncopied(
        _ header: FrameHeader,
        _ payload: UnsafeRawBufferPointer,
        on connection: Connection
    ) {
        let queued = connection.output.value.byteCount
        let (headerBytes, sent) = unsafe sendParts(of: connection, header, payload)
        guard sent >= 0 else {
            sendFailed(on: connection, errno: Int32(clamping: -sent))
            if connection.stage == .open {
                unsafe connection.output.value.append(header, payload, from: &outputPool.value)
            }
            return
        }
        connection.output.value.removeFirst(min(sent, queued), to: &outputPool.value)
        let ofHeader = min(max(0, sent - queued), headerBytes.count)
        let ofPayload = max(0, sent - queued - headerBytes.count)
        unsafe connection.output.value.append(
            UnsafeRawBufferPointer(rebasing: headerBytes[ofHeader...]),
            UnsafeRawBufferPointer(rebasing: payload[ofPayload...]),
            from: &outputPool.value
        )
        guard !connection.output.value.isEmpty else { return }
        counters.sendsShort += 1
        awaitWritable(connection)
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

    func markDirty(_ connection: Connection) {
        guard !connection.isDirty, !connection.isAwaitingWritable else { return }
        connection.isDirty = true
        dirty.append(connection)
    }

    // MARK: Out of the queue

    /// The way at once: one reply to the connection that was just read from, and no other output.
    ///
    /// It reaches the peer while the rest of the batch is still being read. Several replies, and
    /// output to others, go out together at the end of the turn.
    func flushAtOnceIfAlone(_ connection: Connection) {
        guard turnMessageCount <= 1, dirty.count == 1, dirty[0] === connection else { return }
        dirty.removeLast()
        connection.isDirty = false
        flushNow(connection)
    }

    /// The end of the turn: one send for each connection that has output.
    ///
    /// Those that ride with the wait are given to the ring last: a flush by system call may call
    /// handlers, and whatever they do, accept a waiting request for one, must come before bytes are lent.
    func flushAll() {
        while !dirty.isEmpty || !resumed.isEmpty {
            readEarlyFrames()
            swap(&dirty, &flushing)
            for connection in flushing {
                if canRide(connection) {
                    riding.append(connection)
                } else {
                    connection.isDirty = false
                    flushNow(connection)
                }
            }
            flushing.removeAll(keepingCapacity: true)
            if dirty.isEmpty, resumed.isEmpty {
                // What a handler closed, or made wait, can no longer ride.
                dirty = riding.filter { !canRide($0) }
                riding.removeAll { !canRide($0) }
            }
        }
        for connection in riding {
            connection.isDirty = false
            sendByRing(connection)
        }
        riding.removeAll(keepingCapacity: true)
    }

    /// Whether the output can go out with the wait: nothing that follows must be known before it.
    private func canRide(_ connection: Connection) -> Bool {
        connection.stage == .open && !connection.isAwaitingWritable && !connection.hasWaited
            && !connection.output.value.isEmpty && connection.output.value.isContiguous
    }

    private func sendByRing(_ connection: Connection) {
        let bytes = unsafe connection.output.value.firstPart
        connection.ringSendByteCount = bytes.count
        unsafe ring.send(bytes, on: connection.socket, tag: connection.tag(.send))
        ringSends.append(connection)
    }

    /// After the wait: the sends that rode with it are done, but for those that a completion names.
    func settleSends(_ completionCount: Int) {
        guard !ringSends.isEmpty else { return }
        for index in 0..<completionCount {
            let completion = ring.completion(at: index)
            guard completion.tag.kind == .send else { continue }
            table.connection(for: completion.tag)?.ringSendResult = completion.result
        }
        // All queues first, since handlers that learn of a failure may do anything to any of them.
        var failed: [(connection: Connection, errno: Int32)] = []
        for connection in ringSends {
            let offered = connection.ringSendByteCount
            let result = connection.ringSendResult ?? Int32(clamping: offered)
            connection.ringSendResult = nil
            connection.ringSendByteCount = 0
            if result >= 0 {
                settle(Int(result), of: offered, on: connection)
            } else {
                failed.append((connection, -result))
            }
        }
        ringSends.removeAll(keepingCapacity: true)
        for (connection, errno) in failed { sendFailed(on: connection, errno: errno) }
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
        while !connection.isAwaitingWritable, !connection.output.value.isEmpty {
            let (offered, sent) = sendParts(of: connection)
            settle(sent, of: offered, on: connection)
            guard sent > 0 else { return }
        }
        flushed(connection)
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

    /// The same with a frame behind it; returns where its header was encoded, for this turn.
    private func sendParts(
        of connection: Connection,
        _ header: FrameHeader,
        _ payload: UnsafeRawBufferPointer
    ) -> (header: UnsafeRawBufferPointer, sent: Int) {
        let header = unsafe sendScratch.encode(header)
        let parts = unsafe sendScratch.parts
        let last = parts.count - 2
        var count = unsafe connection.output.value.fill(
            UnsafeMutableBufferPointer(rebasing: parts[..<last])
        )
        // It may only be sent with everything that is before it.
        if count < last {
            unsafe parts[count] = header
            unsafe parts[count + 1] = payload
            count += 2
        }
        let offered = unsafe UnsafeBufferPointer(rebasing: parts[..<count])
        return unsafe (header, ring.sendNow(offered, on: connection.socket))
    }
}
