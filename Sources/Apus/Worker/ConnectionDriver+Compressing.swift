// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusDeflate
import ApusProtocol
import ApusRing

/// Messages that are sent compressed, RFC 7692 §7.2.1.
///
/// Where the agreement lets a message refer to those before it, the connection has a compressor of
/// its own. It is let go, and the next message begins with a new one, whenever what it remembers is
/// not what the peer has: after a message that was compressed but not sent, and around one that
/// stands alone, since that may be dropped or is given to many.
extension ConnectionDriver where Ring: ~Copyable {
    // MARK: The agreement

    /// What is answered to a client's offers; nil: messages are not compressed.
    func answer(to request: WebSocketRequest) -> (field: String, agreement: DeflateAgreement)? {
        guard let connection = request.connection, compression.hasStreamingInflater else {
            return nil
        }
        return connection.context.compression.preferences(contextCount: compression.contextCount)?
            .answer(to: request.requestedExtensions)
    }

    /// From here on messages may be compressed.
    func agreed(_ agreement: DeflateAgreement?, on webSocket: WebSocketConnection) {
        guard let agreement else { return }
        webSocket.machine.value.deflate = agreement
        if !webSocket.isClient { compression.connectionCount += 1 }
        if agreement.hasContexts { compression.contextCount += 1 }
    }

    /// The connection is over.
    func endCompression(of webSocket: WebSocketConnection) {
        guard let agreement = webSocket.machine.value.deflate else { return }
        if !webSocket.isClient { compression.connectionCount -= 1 }
        if agreement.hasContexts { compression.contextCount -= 1 }
        dropInflatingMessage(of: webSocket)
        dropDeflater(of: webSocket)
        webSocket.contexts = nil
    }

    func dropInflatingMessage(of webSocket: WebSocketConnection) {
        guard let message = webSocket.contexts?.message else { return }
        webSocket.contexts?.message = nil
        // Where it is being inflated right now, that gives back the rest.
        guard let inflater = message.inflater else { return }
        message.inflater = nil
        compression.giveStreaming(inflater)
    }

    /// Its next message refers to nothing.
    func dropDeflater(of webSocket: WebSocketConnection) {
        guard let contexts = webSocket.contexts, let deflater = contexts.deflater else { return }
        contexts.deflater = nil
        compression.give(deflater)
    }

    /// Its peer was silent for a keepalive interval; was the compressor as well, it is let go.
    func dropIdleDeflater(of webSocket: WebSocketConnection) {
        guard let contexts = webSocket.contexts else { return }
        if !contexts.isDeflaterUsed { dropDeflater(of: webSocket) }
        contexts.isDeflaterUsed = false
    }

    // MARK: Messages

    func isCompressed(_ byteCount: Int, on webSocket: WebSocketConnection) -> Bool {
        webSocket.machine.value.deflate != nil
            && webSocket.context.compression.isWorthwhile(for: byteCount)
    }

    /// A message of at least the threshold, on a connection that compresses.
    func sendCompressed(
        _ opcode: Opcode,
        _ payload: UnsafeRawBufferPointer,
        key: AnyHashable? = nil,
        on webSocket: WebSocketConnection,
        _ connection: Connection
    ) -> SendResult {
        // It may flush, and so find the connection lost: before anything is compressed.
        let hasRoom = hasRoom(for: payload.count, on: connection)
        guard connection.stage == .open, webSocket.machine.value.isOpen else { return .closed }
        guard webSocket.openMessage == .none else { return .messageOpen }
        let standsAlone = !hasRoom || key != nil || configuration.slowConsumerPolicy == .dropOldest
        // A message that does not become smaller is sent as it is.
        let memory = unsafe messageBuffers.value.take(payload.count + Deflater.tail.count)
        let room = unsafe UnsafeMutableRawBufferPointer(
            rebasing: memory[..<(payload.count + Deflater.tail.count - 1)]
        )
        let compressed = unsafe compress(payload, into: room, standsAlone, for: webSocket)
        let isCompressed = unsafe compressed != nil
        if let compressed = unsafe compressed {
            counters.messagesCompressed += 1
            counters.bytesCompressed += payload.count
            counters.wireBytesCompressed += compressed.count
        }
        let result = unsafe sendMessage(
            opcode,
            compressed ?? payload,
            reservedBits: isCompressed ? 0x40 : 0,
            key: key,
            on: webSocket,
            connection
        )
        unsafe messageBuffers.value.give(memory)
        if standsAlone || !isCompressed || !result.isTaken { dropDeflater(of: webSocket) }
        return result
    }

    /// The payload of the compressed message; nil where that is no smaller.
    private func compress(
        _ payload: UnsafeRawBufferPointer,
        into room: UnsafeMutableRawBufferPointer,
        _ standsAlone: Bool,
        for webSocket: WebSocketConnection
    ) -> UnsafeRawBufferPointer? {
        let context = webSocket.context
        guard let side = webSocket.machine.value.deflate?.side(of: context.role) else {
            return nil
        }
        let deflater: Deflater
        if standsAlone || !side.takesOver {
            deflater = compression.deflater(
                context.compression.sharedSettings(
                    windowBits: side.windowBits,
                    byteCount: payload.count
                )
            )
        } else {
            let contexts = webSocket.madeContexts()
            deflater =
                contexts.deflater
                ?? compression.takeDeflater(
                    context.compression.contextSettings(windowBits: side.windowBits)
                )
            contexts.deflater = deflater
            contexts.isDeflaterUsed = true
        }
        guard let count = unsafe deflater.compress(payload, into: room) else { return nil }
        return unsafe UnsafeRawBufferPointer(rebasing: room[..<(count - Deflater.tail.count)])
    }

    /// A message of which it is known whether it is compressed.
    private func sendMessage(
        _ opcode: Opcode,
        _ payload: UnsafeRawBufferPointer,
        reservedBits: UInt8,
        key: AnyHashable?,
        on webSocket: WebSocketConnection,
        _ connection: Connection
    ) -> SendResult {
        if key != nil || payload.count > fragmentByteCountMax {
            return unsafe sendFragments(
                opcode,
                payload,
                reservedBits: reservedBits,
                key: key,
                on: webSocket,
                connection
            )
        }
        let header = FrameHeader(
            reservedBits: reservedBits,
            opcode: opcode,
            payloadByteCount: UInt64(payload.count)
        )
        return unsafe send(header, payload, on: webSocket, connection)
    }

    // MARK: Messages in pieces

    /// A piece of a compressed message that is written piece by piece: `body` sends it.
    ///
    /// Each stands alone, so that nothing has to be kept for the next one, nor is lost with one that
    /// finds no room; together they are one message.
    func withCompressed(
        _ piece: UnsafeRawBufferPointer,
        for webSocket: WebSocketConnection,
        _ body: (UnsafeRawBufferPointer) -> SendResult
    ) -> SendResult {
        let context = webSocket.context
        guard let side = webSocket.machine.value.deflate?.side(of: context.role) else {
            return .closed
        }
        dropDeflater(of: webSocket)
        let deflater = compression.deflater(
            context.compression.sharedSettings(
                windowBits: side.windowBits,
                byteCount: piece.count
            )
        )
        let memory = unsafe messageBuffers.value.take(Deflater.byteCountMax(for: piece.count))
        defer { unsafe messageBuffers.value.give(memory) }
        guard let count = unsafe deflater.compress(piece, into: memory) else {
            preconditionFailure("\(piece.count) bytes grew beyond all measure")
        }
        counters.bytesCompressed += piece.count
        counters.wireBytesCompressed += count
        return unsafe body(UnsafeRawBufferPointer(rebasing: memory[..<count]))
    }

    // MARK: Broadcasts

    /// Calls `body` with a broadcast compressed for all, if anybody here can inflate it and it pays.
    func withBroadcastCompressed(
        _ payload: UnsafeRawBufferPointer,
        _ body: (UnsafeRawBufferPointer) -> Void
    ) {
        let settings = configuration.compression
        guard compression.connectionCount > 0, settings.isWorthwhile(for: payload.count) else {
            return
        }
        let deflater = compression.deflater(
            settings.sharedSettings(windowBits: 15, byteCount: payload.count)
        )
        let memory = unsafe messageBuffers.value.take(payload.count)
        defer { unsafe messageBuffers.value.give(memory) }
        let room = unsafe UnsafeMutableRawBufferPointer(rebasing: memory[..<payload.count])
        guard let count = unsafe deflater.compress(payload, into: room) else { return }
        unsafe body(UnsafeRawBufferPointer(rebasing: room[..<(count - Deflater.tail.count)]))
    }
}

extension DeflateAgreement {
    /// Whether messages refer to those before them, in either direction.
    var hasContexts: Bool { server.takesOver || client.takesOver }
}
