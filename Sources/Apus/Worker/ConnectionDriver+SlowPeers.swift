// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusProtocol
import ApusRing

extension ConnectionDriver where Ring: ~Copyable {
    // MARK: Backpressure

    /// What would go out at the end of the turn goes out now, as far as the kernel takes it.
    func flush(_ webSocket: WebSocketConnection) {
        guard let connection = webSocket.transport, connection.stage == .open else { return }
        flushNow(connection)
    }

    func awaitWritable(_ connection: Connection) {
        guard !connection.isAwaitingWritable, connection.stage != .dropping,
            connection.stage != .released
        else { return }
        connection.isAwaitingWritable = true
        connection.hasWaited = true
        beganOperation(on: connection)
        ring.awaitWritable(connection.socket, tag: connection.tag(.writable))
        pauseIfBehind(connection)
        answerWaits(on: connection)
    }

    func pauseIfBehind(_ connection: Connection) {
        guard connection.stage == .open, !connection.pauses.contains(.backpressure),
            connection.output.value.byteCount > readPauseByteCount
        else { return }
        connection.pauses.insert(.backpressure)
        updateReceiving(on: connection)
    }

    /// With this much waiting, a peer that does not read is not read from either.
    private var readPauseByteCount: Int { configuration.maxSendQueue / 4 }

    func flushed(_ connection: Connection) {
        let queued = connection.output.value.byteCount
        if connection.pauses.contains(.backpressure), queued <= readPauseByteCount / 2 {
            connection.pauses.remove(.backpressure)
            updateReceiving(on: connection)
        }
        guard queued == 0 else { return }
        if connection.stage == .finishing {
            sendFIN(on: connection)
        } else if connection.hasWaited, let webSocket = connection.webSocket {
            connection.hasWaited = false
            webSocket.stream?.drained()
            tell(webSocket, on: connection) { try webSocket.extras?.drainHandler?() }
        } else if connection.hasWaited, connection.stage == .opening {
            connection.hasWaited = false
            answersLeft(on: connection)
        }
    }

    // MARK: Over the limit

    /// Whether so much more may wait; what only waits for the end of the turn goes out for it.
    @inline(__always)
    func hasRoom(for byteCount: Int, on connection: Connection) -> Bool {
        if fits(byteCount, on: connection) { return true }
        return flushed(for: byteCount, on: connection)
    }

    @inline(never)
    private func flushed(for byteCount: Int, on connection: Connection) -> Bool {
        // No drain handler is called, which might begin a message: what is asked for is known to fit
        // where it comes. But the connection may be lost, and no frame follows our Close.
        _ = sendQueue(of: connection)
        guard connection.stage == .open, connection.webSocket?.machine.value.isOpen == true else {
            return false
        }
        return fits(byteCount, on: connection)
    }

    @inline(__always)
    func fits(_ byteCount: Int, on connection: Connection) -> Bool {
        let queued = connection.output.value.byteCount
        return queued == 0 || queued + byteCount <= configuration.maxSendQueue
    }

    /// More would wait than may: nil if older messages made room, else what becomes of this one.
    func makeRoom(
        for byteCount: Int,
        _ webSocket: WebSocketConnection,
        _ connection: Connection
    ) -> SendResult? {
        guard connection.stage == .open, webSocket.machine.value.isOpen else { return .closed }
        counters.sendQueueOverflows += 1
        switch configuration.slowConsumerPolicy {
        case .close:
            fail(webSocket, on: connection, .policyViolation, "send queue over its limit")
            return .overLimit
        case .dropNewest, .keepLatest:
            break
        case .dropOldest:
            while byteCount <= configuration.maxSendQueue,
                connection.output.value.removeOldestMessage(to: &outputPool.value)
            {
                counters.messagesDropped += 1
                if fits(byteCount, on: connection) { return nil }
            }
        }
        return .dropped
    }
}
