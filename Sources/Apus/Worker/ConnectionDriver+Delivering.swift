// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusProtocol
import ApusRing

extension ConnectionDriver where Ring: ~Copyable {
    // MARK: To the connections

    /// Gives a message to the connections of its server.
    ///
    /// Handlers that are called meanwhile may broadcast too: what they do comes behind it everywhere.
    func deliver(_ delivery: Broadcasts.Delivery) {
        guard !broadcasts.isDelivering else {
            broadcasts.waiting.append(delivery)
            return
        }
        broadcasts.isDelivering = true
        var next: Broadcasts.Delivery? = delivery
        while let delivery = next {
            unsafe delivery.frames.withUnsafeBytes { frames in
                let message = unsafe BroadcastMessage(frames)
                // Over the connections of now, whichever handlers close or accept.
                for webSocket in delivery.server.connections where webSocket !== delivery.exception
                {
                    let isCompressed = message.isCompressed(for: webSocket)
                    let frames = unsafe isCompressed ? message.compressed : message.plain
                    unsafe give(frames, isCompressed: isCompressed, to: webSocket)
                }
            }
            next = broadcasts.waiting.isEmpty ? nil : broadcasts.waiting.removeFirst()
        }
        broadcasts.isDelivering = false
    }

    private func give(
        _ frames: UnsafeRawBufferPointer,
        isCompressed: Bool,
        to webSocket: WebSocketConnection
    ) {
        guard let connection = webSocket.transport, connection.stage == .open else { return }
        // It may flush, and so find the connection lost: the rest is asked afterwards.
        let hasRoom = hasRoom(for: frames.count, on: connection)
        guard connection.stage == .open, webSocket.machine.value.isOpen else { return }
        // It stands alone: no message behind it may refer to one before it.
        if isCompressed { dropDeflater(of: webSocket) }
        guard webSocket.openMessage == .none else {
            unsafe hold(frames, for: webSocket, on: connection)
            return
        }
        if !hasRoom, let refusal = makeRoom(for: frames.count, webSocket, connection) {
            if refusal == .dropped { counters.messagesDropped += 1 }
            return
        }
        counters.messagesSent += 1
        if frames.count >= uncopiedByteCountMin, connection.output.value.isEmpty,
            !connection.isAwaitingWritable
        {
            unsafe sendUncopied(frames, on: connection)
            return
        }
        unsafe connection.output.value.append(frames: frames, from: &outputPool.value)
        markDirty(connection)
        if connection.isAwaitingWritable {
            pauseIfBehind(connection)
        } else if connection.output.value.byteCount >= flushByteCount {
            flushNow(connection)
        }
    }

    /// Of what one turn broadcasts no more than this is copied for each connection.
    private var flushByteCount: Int { 65536 }

    /// Frames for which nothing has to wait; what the kernel does not take is copied and queued.
    private func sendUncopied(_ frames: UnsafeRawBufferPointer, on connection: Connection) {
        if let tls = connection.tls {
            unsafe sendSealed(frames, by: tls, on: connection)
            return
        }
        unsafe sendScratch.parts[0] = frames
        let sent = unsafe ring.sendNow(
            UnsafeBufferPointer(rebasing: sendScratch.parts[..<1]),
            on: connection.socket
        )
        guard sent >= 0 else {
            sendFailed(on: connection, errno: Int32(clamping: -sent))
            if connection.stage == .open {
                unsafe connection.output.value.append(frames: frames, from: &outputPool.value)
                pauseIfBehind(connection)
            }
            return
        }
        guard sent < frames.count else { return }
        unsafe connection.output.value.append(
            UnsafeRawBufferPointer(rebasing: frames[sent...]),
            from: &outputPool.value
        )
        counters.sendsShort += 1
        awaitWritable(connection)
    }

    // MARK: Behind a message in pieces

    /// Keeps a message for a connection that is in the midst of another, RFC 6455 §5.4.
    ///
    /// It counts towards the limit of what waits.
    private func hold(
        _ frames: UnsafeRawBufferPointer,
        for webSocket: WebSocketConnection,
        on connection: Connection
    ) {
        let held = broadcasts.held[connection.slot]?.byteCount ?? 0
        let waiting = held + connection.output.value.byteCount
        if waiting > 0, waiting + frames.count > configuration.maxSendQueue,
            let refusal = makeRoom(for: held + frames.count, webSocket, connection)
        {
            if refusal == .dropped { counters.messagesDropped += 1 }
            return
        }
        unsafe broadcasts.held[connection.slot, default: .init()].messages.append(Array(frames))
        broadcasts.held[connection.slot]?.byteCount += frames.count
    }

    /// The message has ended: what was kept for it follows.
    func releaseBroadcasts(to webSocket: WebSocketConnection, on connection: Connection) {
        guard !broadcasts.held.isEmpty,
            let held = broadcasts.held.removeValue(forKey: connection.slot)
        else { return }
        for message in held.messages {
            counters.messagesSent += 1
            unsafe message.withUnsafeBytes {
                unsafe connection.output.value.append(frames: $0, from: &outputPool.value)
            }
        }
        markDirty(connection)
        if connection.isAwaitingWritable { pauseIfBehind(connection) }
    }
}
