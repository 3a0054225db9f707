// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusDeflate
import ApusProtocol
import ApusRing

/// Received messages that are compressed, RFC 7692 §7.2.2.
///
/// One that comes whole is inflated by an inflater that all connections share. Of one that comes in
/// part a little is kept as it is; then it gets an inflater of its own until it ends, so that a bomb
/// is seen before there is more of it.
extension ConnectionDriver where Ring: ~Copyable {
    /// What comes out of an inflater at once.
    private var chunkByteCount: Int { 16_384 }

    /// So much of a message is kept before it gets an inflater.
    private var keptByteCountMax: Int { 16_384 }

    /// So much is inflated in a turn, for all connections, and the rest of the message that reaches
    /// it, which is of the limit's size at most.
    ///
    /// A MiB takes about a millisecond; what a receive brings could be inflated to a thousand times
    /// as much as it has.
    private var inflatedByteCountMax: Int { 1 << 20 }

    func inflate(
        _ part: MessagePart,
        _ received: UnsafeRawBufferPointer,
        for webSocket: WebSocketConnection,
        on connection: Connection
    ) {
        if part.isFirst, part.isLast, assemblesFragments {
            unsafe inflateWhole(received, part.kind, for: webSocket, on: connection)
            return
        }
        let contexts = webSocket.madeContexts()
        let message = part.isFirst ? InflatingMessage(part.kind) : contexts.message
        contexts.message = message
        guard let message else { preconditionFailure("a part, but no message has begun") }
        let isLarge = webSocket.assemblyByteCount + received.count >= keptByteCountMax
        if message.inflater == nil, !assemblesFragments || isLarge && !part.isLast,
            let inflater = compression.takeStreamingInflater()
        {
            begin(inflater, for: webSocket)
            message.inflater = inflater
            var kept = webSocket.takeAssembly()
            unsafe inflate(kept.bytes, isLast: false, of: message, webSocket, connection)
            kept.removeAll(to: &messageBuffers.value)
        }
        guard message.inflater == nil else {
            unsafe inflate(received, isLast: part.isLast, of: message, webSocket, connection)
            return
        }
        guard contexts.message === message else { return }
        unsafe assemble(part, received, for: webSocket)
        guard part.isLast else { return }
        var kept = webSocket.takeAssembly()
        if assemblesFragments {
            contexts.message = nil
            unsafe inflateWhole(kept.bytes, message.kind, for: webSocket, on: connection)
        } else {
            // It may pause in the midst of what comes out: it has its inflater, however many have.
            let inflater = compression.addStreamingInflater()
            begin(inflater, for: webSocket)
            message.inflater = inflater
            unsafe inflate(kept.bytes, isLast: true, of: message, webSocket, connection)
        }
        kept.removeAll(to: &messageBuffers.value)
    }

    /// It goes on with what waited of a message in the midst of which it paused.
    func inflateRest(for webSocket: WebSocketConnection, on connection: Connection) {
        guard let message = webSocket.contexts?.message, let (bytes, isLast) = message.rest else {
            return
        }
        message.rest = nil
        unsafe bytes.withUnsafeBytes {
            unsafe inflate($0, isLast: isLast, of: message, webSocket, connection)
        }
    }

    private func inflateWhole(
        _ bytes: UnsafeRawBufferPointer,
        _ kind: MessageKind,
        for webSocket: WebSocketConnection,
        on connection: Connection
    ) {
        let inflater = compression.takeInflater()
        begin(inflater, for: webSocket)
        let message = InflatingMessage(kind)
        unsafe feed(inflater, bytes, isLast: true, of: message, webSocket, connection)
        compression.give(inflater)
    }

    /// Goes on with a message that has an inflater.
    private func inflate(
        _ bytes: UnsafeRawBufferPointer,
        isLast: Bool,
        of message: InflatingMessage,
        _ webSocket: WebSocketConnection,
        _ connection: Connection
    ) {
        if message.rest != nil {
            unsafe message.rest?.bytes += bytes
            message.rest?.isLast = isLast
            return
        }
        // Taken out: a handler may end the connection, and that gives back what it holds.
        guard let inflater = message.inflater else { return }
        message.inflater = nil
        unsafe feed(inflater, bytes, isLast: isLast, of: message, webSocket, connection)
        if let count = inflater.restByteCount {
            unsafe message.rest = ([UInt8](bytes.suffix(count)), isLast)
        } else if isLast, webSocket.contexts?.message === message {
            webSocket.contexts?.message = nil
        }
        if webSocket.contexts?.message === message {
            message.inflater = inflater
        } else {
            compression.giveStreaming(inflater)
        }
    }

    private func begin(_ inflater: Inflater, for webSocket: WebSocketConnection) {
        let limits = Inflater.Limits(
            byteCountMax: Int(clamping: webSocket.context.configuration.messageByteCountMax),
            ratioMax: webSocket.context.compression.maxInflationRatio
        )
        guard let window = webSocket.contexts?.window else {
            unsafe inflater.begin(within: limits)
            return
        }
        unsafe window.bytes.withUnsafeBytes { unsafe inflater.begin(within: limits, window: $0) }
    }

    private func feed(
        _ inflater: Inflater,
        _ bytes: UnsafeRawBufferPointer,
        isLast: Bool,
        of message: InflatingMessage,
        _ webSocket: WebSocketConnection,
        _ connection: Connection
    ) {
        let memory = unsafe messageBuffers.value.take(chunkByteCount)
        let chunk = unsafe UnsafeMutableRawBufferPointer(rebasing: memory[..<chunkByteCount])
        let defect = unsafe inflater.inflate(bytes, isLast: isLast, by: chunk) { part, isLast in
            counters.bytesInflated += part.count
            return unsafe inflated(part, isLast: isLast, of: message, webSocket, connection)
        }
        unsafe messageBuffers.value.give(memory)
        counters.wireBytesInflated += bytes.count - (inflater.restByteCount ?? 0)
        guard let defect else { return }
        counters.inflationsRefused += 1
        switch defect {
        case .corrupt: refuse(webSocket, connection, .invalidPayload, "corrupt compressed data")
        case .tooBig: refuse(webSocket, connection, .messageTooBig, "message over the limit")
        case .overRatio: refuse(webSocket, connection, .messageTooBig, "message inflates too much")
        }
    }

    /// What has come out; whether more is wanted.
    private func inflated(
        _ part: UnsafeRawBufferPointer,
        isLast: Bool,
        of message: InflatingMessage,
        _ webSocket: WebSocketConnection,
        _ connection: Connection
    ) -> Bool {
        spend(part.count, for: webSocket, on: connection)
        unsafe remember(part, of: webSocket)
        if message.kind == .text {
            let isValid = message.text.validate(
                unsafe Span(_unsafeBytes: part),
                range: 0..<part.count
            )
            guard isValid, !isLast || message.text.isAtBoundary else {
                refuse(webSocket, connection, .invalidPayload, "invalid UTF-8")
                return false
            }
        }
        let event = MessagePart(
            kind: message.kind,
            payload: DecodedPayload(0..<part.count),
            isFirst: !message.hasDelivered,
            isLast: isLast
        )
        message.hasDelivered = true
        if event.isFirst, isLast, assemblesFragments {
            let handler = webSocket.handlers?.message
            unsafe deliver(message.kind, part, to: handler, of: webSocket, on: connection)
            return false
        }
        if assemblesFragments { reserve(part.count, for: webSocket) }
        unsafe deliver(event, part, to: webSocket, on: connection)
        // What is put together goes through to its message's end, which the message limit bounds.
        return assemblesFragments
            || connection.stage == .open && webSocket.machine.value.isOpen
                && connection.pauses.isDisjoint(with: .holding)
    }

    /// Room in few steps: what is not written to takes no memory, but what is copied does, twice.
    private func reserve(_ byteCount: Int, for webSocket: WebSocketConnection) {
        let limit = Int(clamping: webSocket.context.configuration.messageByteCountMax)
        webSocket.withExtras { extras in
            let needed = extras.assembly.byteCount + byteCount
            let capacity = extras.assembly.capacity
            guard needed > capacity else { return }
            let wanted = capacity == 0 ? 1 << 20 : max(1 << 22, 2 * capacity)
            extras.assembly.reserve(max(needed, min(limit, wanted)), from: &messageBuffers.value)
        }
    }

    // MARK: One after the other

    /// Counts what is inflated: once it is enough for a turn, the connection waits for the next one.
    private func spend(
        _ byteCount: Int,
        for webSocket: WebSocketConnection,
        on connection: Connection
    ) {
        compression.inflatedByteCount += byteCount
        counters.bytesInflatedInTurnMax = max(
            counters.bytesInflatedInTurnMax,
            compression.inflatedByteCount
        )
        if hasInflatedEnough { waitToInflate(webSocket, connection) }
    }

    private var hasInflatedEnough: Bool { compression.inflatedByteCount >= inflatedByteCountMax }

    /// Whether a connection, since its messages may be compressed, is not to be read in this turn.
    func waitsToInflate(_ webSocket: WebSocketConnection, _ connection: Connection) -> Bool {
        guard hasInflatedEnough, webSocket.machine.value.deflate != nil else { return false }
        waitToInflate(webSocket, connection)
        // Not where it closes, for then nothing is inflated any more.
        return connection.pauses.contains(.inflation)
    }

    private func waitToInflate(_ webSocket: WebSocketConnection, _ connection: Connection) {
        guard !connection.pauses.contains(.inflation) else { return }
        pause(webSocket, for: .inflation)
        if connection.pauses.contains(.inflation) { compression.waiting.append(connection) }
    }

    /// A turn begins: those that have waited longest go on first, and as many as may.
    func resumeInflation() {
        compression.inflatedByteCount = 0
        guard !compression.waiting.isEmpty else { return }
        var count = 0
        while count < compression.waiting.count, !hasInflatedEnough {
            let connection = compression.waiting[count]
            count += 1
            connection.pauses.remove(.inflation)
            readHeldFrames(on: connection)
        }
        compression.waiting.removeFirst(count)
    }

    /// Keeps what the peer's next message may refer to.
    private func remember(_ part: UnsafeRawBufferPointer, of webSocket: WebSocketConnection) {
        let peer: Role = webSocket.isClient ? .server : .client
        guard let side = webSocket.machine.value.deflate?.side(of: peer), side.takesOver else {
            return
        }
        let contexts = webSocket.madeContexts()
        if contexts.window == nil { contexts.window = InflationWindow(bits: side.windowBits) }
        unsafe contexts.window?.append(part)
    }

    private func refuse(
        _ webSocket: WebSocketConnection,
        _ connection: Connection,
        _ code: CloseCode,
        _ reason: String
    ) {
        counters.protocolViolations += 1
        fail(webSocket, on: connection, code, reason)
    }
}
