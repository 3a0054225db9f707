// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusProtocol
import ApusRing

// MARK: What connections ask of their worker

extension ConnectionDriver where Ring: ~Copyable {
    /// A message that was kept until its handler was there.
    func deliver(_ message: ReceivedMessage, to webSocket: WebSocketConnection) {
        guard let connection = webSocket.transport, let handler = webSocket.handlers?.message
        else { return }
        tell(webSocket, on: connection) {
            try unsafe message.bytes.withUnsafeBytes {
                try handler(unsafe WebSocketMessage(kind: message.kind, borrowing: $0))
            }
        }
    }

    /// The application wants nothing more of this connection for now.
    func pause(_ webSocket: WebSocketConnection, for reason: Connection.ReadPauses) {
        guard let connection = webSocket.transport, connection.stage == .open,
            webSocket.machine.value.isOpen
        else { return }
        connection.pauses.insert(reason)
        // Called by a handler of this connection: the rest of the batch waits as well.
        if readingSlot == connection.slot { batch.value.hold() }
        updateReceiving(on: connection)
    }

    /// It goes on with what was held, before the next wait.
    func resume(_ webSocket: WebSocketConnection, from reasons: Connection.ReadPauses) {
        guard let connection = webSocket.transport,
            !connection.pauses.isDisjoint(with: reasons)
        else { return }
        connection.pauses.subtract(reasons)
        guard connection.pauses.isDisjoint(with: .holding) else {
            if webSocket.stream?.isHandingOver == true { resumed.append(connection) }
            return
        }
        // For keepalive the silence of a peer begins now.
        webSocket.machine.value.peerMadeProgress(at: now)
        if readingSlot == connection.slot {
            batch.value.release()
        } else if connection.held != nil {
            resumed.append(connection)
        } else {
            updateReceiving(on: connection)
        }
    }
}

extension ConnectionDriver where Ring: ~Copyable {
    // MARK: What is held

    /// Keeps bytes of a paused connection, and what the batch that is being read has left of them.
    func hold(
        _ bytes: UnsafeMutableRawBufferPointer,
        from position: Int,
        on connection: Connection
    ) {
        guard connection.stage == .open else { return }
        if let held = connection.held {
            unsafe held.bytes.append(contentsOf: bytes[position...])
            return
        }
        let held = HeldInput(unsafe [UInt8](bytes), position: position)
        if batch.value.isHeld { swap(&batch.value, &held.batch) }
        connection.held = held
        connection.pauses.insert(.held)
    }

    /// Reads what was held, until there is nothing more or it is to wait again.
    func readHeldFrames(on connection: Connection) {
        guard connection.pauses.isDisjoint(with: .holding), let held = connection.held,
            let webSocket = connection.webSocket, !waitsToInflate(webSocket, connection)
        else { return }
        swap(&batch.value, &held.batch)
        batch.value.release()
        readingSlot = connection.slot
        inflateRest(for: webSocket, on: connection)
        unsafe held.bytes.withUnsafeMutableBytes { bytes in
            var span = unsafe MutableSpan<UInt8>(_unsafeBytes: bytes)
            while true {
                while let action = webSocket.machine.value.nextAction(
                    of: &batch.value,
                    in: span.span,
                    at: now
                ) {
                    unsafe perform(action, with: bytes, for: webSocket, on: connection)
                }
                guard held.position < span.count, !batch.value.isHeld else { return }
                webSocket.receive(&span, from: &held.position, into: &batch.value, at: now)
            }
        }
        readingSlot = .max
        let isHeldAgain = batch.value.isHeld
        swap(&batch.value, &held.batch)
        guard connection.stage == .open, !isHeldAgain else { return }
        connection.held = nil
        connection.pauses.remove(.held)
        caughtUp(on: connection)
    }
}
