// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusProtocol
import ApusRing

extension ConnectionDriver where Ring: ~Copyable {
    // MARK: Messages that are not sent in one frame, or not for themselves

    /// A message in frames of at most so many bytes.
    func sendFragments(
        _ opcode: Opcode,
        _ payload: UnsafeRawBufferPointer,
        reservedBits: UInt8 = 0,
        key: AnyHashable? = nil,
        on webSocket: WebSocketConnection,
        _ connection: Connection
    ) -> SendResult {
        guard webSocket.openMessage == .none else { return .messageOpen }
        // To a peer that is not slow all go out.
        func olderByteCount() -> Int {
            guard let key, connection.isAwaitingWritable else { return 0 }
            return connection.output.value.byteCount(of: key)
        }
        let growth = payload.count - olderByteCount()
        var isDisplacing = false
        if !hasRoom(for: growth, on: connection) {
            if let refusal = makeRoom(for: growth, webSocket, connection) {
                if refusal == .dropped { counters.messagesDropped += 1 }
                return refusal
            }
            isDisplacing = true
        }
        if let key, olderByteCount() > 0 {
            connection.output.value.remove(key, to: &outputPool.value)
            counters.messagesDropped += 1
            isDisplacing = true
        }
        counters.messagesSent += 1
        unsafe connection.output.value.append(
            opcode,
            payload,
            reservedBits: reservedBits,
            fragmentByteCountMax: fragmentByteCountMax,
            key: key,
            from: &outputPool.value
        )
        markDirty(connection)
        guard connection.isAwaitingWritable else { return .sent }
        pauseIfBehind(connection)
        return isDisplacing ? .displaced : .queued
    }

    /// A message that may take the place of one with the same key.
    func send(
        _ opcode: Opcode,
        _ payload: UnsafeRawBufferPointer,
        key: AnyHashable,
        compress: Bool,
        on webSocket: WebSocketConnection
    ) -> SendResult {
        guard configuration.slowConsumerPolicy == .keepLatest else {
            return unsafe send(opcode, payload, compress: compress, on: webSocket)
        }
        guard let connection = webSocket.transport, connection.stage == .open,
            webSocket.machine.value.isOpen
        else { return .closed }
        if compress, isCompressed(payload.count, on: webSocket) {
            return unsafe sendCompressed(opcode, payload, key: key, on: webSocket, connection)
        }
        return unsafe sendFragments(opcode, payload, key: key, on: webSocket, connection)
    }
}
