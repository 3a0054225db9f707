// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusProtocol
import ApusRing
import ApusTLS
import Logging

/// Connections with TLS: what comes is decrypted before anybody reads it.
///
/// A session has no part in the connection's order of things: its plaintext is read as what a plain
/// connection receives, and what it has to say itself is sealed output. It begins with the first
/// bytes, so that a client which says nothing costs nothing.
extension ConnectionDriver where Ring: ~Copyable {
    /// Whether it can neither read nor be told anything before TLS is agreed upon.
    func isShakingHands(_ connection: Connection) -> Bool {
        connection.context.isSecure && connection.tls?.isEstablished != true
    }

    // MARK: Receiving

    /// Bytes of a connection that is spoken to in TLS.
    func takeSealed(_ bytes: UnsafeMutableRawBufferPointer, from connection: Connection) {
        guard connection.stage == .opening || connection.stage == .open else { return }
        if let tls = connection.tls {
            unsafe decrypt(UnsafeRawBufferPointer(bytes), by: tls, from: connection)
        } else if connection.isClient {
            // The proxy's; TLS begins behind it.
            unsafe read(bytes, from: connection)
        } else {
            unsafe beginTLS(bytes, from: connection)
        }
    }

    /// The first bytes of a client.
    private func beginTLS(_ received: UnsafeMutableRawBufferPointer, from connection: Connection) {
        guard let opening = connection.opening, let listener = connection.context.tls,
            let start = unsafe readPreface(received, of: opening, on: connection)
        else { return }
        let bytes = unsafe UnsafeRawBufferPointer(rebasing: received[start...])
        guard let first = unsafe bytes.first else { return }
        // No record begins with a letter, and every method does.
        if (UInt8(ascii: "A")...UInt8(ascii: "z")).contains(first) {
            refusePlainRequest(on: connection)
            return
        }
        renewTicketKeys()
        guard let tls = TLSSession.server(listener.context, on: wire) else {
            drop(connection)
            return
        }
        connection.tls = tls
        unsafe decrypt(bytes, by: tls, from: connection)
    }

    private func decrypt(
        _ ciphertext: UnsafeRawBufferPointer,
        by tls: TLSSession,
        from connection: Connection
    ) {
        let received = unsafe tls.receive(ciphertext)
        if received.hasOutput { takeOutput(of: connection) }
        guard connection.stage == .opening || connection.stage == .open else { return }
        // Most receives bring no event, and to ask for each would cost more than to be brought one.
        let isEventful = received.events.rawValue != 0
        if isEventful, received.events.contains(.established) { established(tls, on: connection) }
        if unsafe !received.plaintext.isEmpty { unsafe read(received.plaintext, from: connection) }
        if isEventful { ended(tls, by: received.events, on: connection) }
    }

    /// After its plaintext was read.
    private func ended(
        _ tls: TLSSession,
        by events: TLSSession.Events,
        on connection: Connection
    ) {
        if events.contains(.failed) {
            let wasEstablished = tls.isEstablished && !events.contains(.established)
            failed(tls, wasEstablished: wasEstablished, on: connection)
        } else if events.contains(.closed) {
            // So do we, unless something is still to be said, or to be read and answered; and not for
            // one whose end the plaintext was.
            if connection.stage == .opening || connection.stage == .open,
                connection.output.value.isEmpty, connection.held == nil, !isAnswering(connection)
            {
                _ = closes(tls, of: connection)
            }
            peerEnded(connection)
        }
    }

    /// Its peer was silent for a keepalive interval.
    func restTLS(of connection: Connection) {
        connection.tls?.rest()
    }

    /// Peers that do not read cannot make a session say more than this.
    private var unreadByteCountMax: Int { 1 << 16 }

    /// What a session has said by itself goes out with the next flush.
    func takeOutput(of connection: Connection) {
        let count = unsafe wire.output.count
        guard count > 0 else { return }
        let isThere = connection.stage != .dropping && connection.stage != .released
        if isThere {
            unsafe connection.output.value.appendSealed(wire.output, from: &outputPool.value)
        }
        // First, since handlers that are called below may send by the same wire.
        wire.removeOutput()
        guard isThere, let tls = connection.tls else { return }
        markDirty(connection)
        tls.unreadByteCount = connection.isAwaitingWritable ? tls.unreadByteCount + count : 0
        if tls.unreadByteCount > unreadByteCountMax { connectionLost(connection) }
    }

    private func established(_ tls: TLSSession, on connection: Connection) {
        guard let attempt = connection.attempt else {
            counters.tlsHandshakesCompleted += 1
            if tls.isResumed { counters.tlsSessionsResumed += 1 }
            return
        }
        appendBytes(attempt.firstRequest, on: connection)
    }

    /// The alert goes out, if there is one, and nothing else any more.
    private func failed(_ tls: TLSSession, wasEstablished: Bool, on connection: Connection) {
        guard connection.stage == .opening || connection.stage == .open,
            let failure = tls.failure
        else { return }
        connection.output.value.removeUnsealed(to: &outputPool.value)
        if connection.attempt?.isPending == true {
            flushNow(connection)
            fail(connection, ConnectFailure(failure))
            return
        }
        if wasEstablished {
            counters.tlsSessionsFailed += 1
        } else {
            counters.tlsHandshakesFailed += 1
        }
        logger.debug(
            "TLS failed",
            metadata: ["reason": "\(failure)", "from": "\(connection.remoteAddress)"]
        )
        if let webSocket = connection.webSocket { transportClosed(webSocket, on: connection) }
        finish(connection)
    }

    // MARK: Sending

    /// So much is encrypted before any of it is sent.
    private var sealedByteCountMax: Int { 1 << 17 }

    /// Encrypts a small output where it lies, so that it rides with the wait; false: it does not.
    func sealToRide(_ connection: Connection) -> Bool {
        guard !connection.output.value.isSealed, let tls = connection.tls else { return true }
        // What is larger can do with a system call, and is spared a copy.
        guard connection.output.value.byteCount < uncopiedByteCountMin,
            unsafe tls.send(connection.output.value.firstPart)
        else { return false }
        connection.output.value.removeAll(to: &outputPool.value)
        unsafe connection.output.value.appendSealed(wire.output, from: &outputPool.value)
        wire.removeOutput()
        return true
    }

    /// Encrypts what waits, and sends it; false: it has to wait, or the connection is gone.
    func sendSealed(by tls: TLSSession, on connection: Connection) -> Bool {
        while !connection.output.value.isEmpty, unsafe wire.output.count < sealedByteCountMax {
            let part = unsafe connection.output.value.firstPart
            let count = min(part.count, sealedByteCountMax)
            guard unsafe tls.send(UnsafeRawBufferPointer(rebasing: part[..<count])) else {
                sealingFailed(on: connection)
                return false
            }
            connection.output.value.removeFirst(count, to: &outputPool.value)
        }
        if connection.stage == .finishing, connection.output.value.isEmpty { tls.close() }
        return sendWire(on: connection)
    }

    /// Sends what was encrypted; what the kernel does not take is first in the queue from now on.
    private func sendWire(on connection: Connection) -> Bool {
        let output = unsafe wire.output
        unsafe sendScratch.parts[0] = output
        let sent = unsafe ring.sendNow(
            UnsafeBufferPointer(rebasing: sendScratch.parts[..<1]),
            on: connection.socket
        )
        let isSent = sent == output.count
        unsafe connection.output.value.appendSealed(
            UnsafeRawBufferPointer(rebasing: output[max(0, sent)...]),
            from: &outputPool.value
        )
        wire.removeOutput()
        guard sent >= 0 else {
            sendFailed(on: connection, errno: Int32(clamping: -sent))
            return false
        }
        if connection.hasWaited, let webSocket = connection.webSocket {
            webSocket.machine.value.peerMadeProgress(at: now)
        }
        guard !isSent else { return true }
        counters.sendsShort += 1
        awaitWritable(connection)
        return false
    }

    /// What was encrypted before is for nobody: the next to take the wire is another connection.
    private func sealingFailed(on connection: Connection) {
        wire.removeOutput()
        connectionLost(connection)
    }

    /// A large frame, of which no more is copied than makes its first record one with its header.
    func sendSealed(
        _ header: FrameHeader,
        _ payload: UnsafeRawBufferPointer,
        by tls: TLSSession,
        on connection: Connection
    ) {
        // No handler is called, which might close, or send something, in front of it.
        _ = sendQueue(of: connection)
        guard connection.stage == .open else { return }
        guard connection.output.value.isEmpty else {
            unsafe connection.output.value.append(header, payload, from: &outputPool.value)
            return
        }
        let first = unsafe sendScratch.encode(header, withStartOf: payload)
        let copied = first.count - header.headerByteCount
        guard unsafe tls.send(first) else {
            sealingFailed(on: connection)
            return
        }
        unsafe sendSealed(
            UnsafeRawBufferPointer(rebasing: payload[copied...]),
            by: tls,
            on: connection
        )
    }

    /// Frames for which nothing has to wait; what the kernel does not take is queued.
    func sendSealed(
        _ frames: UnsafeRawBufferPointer,
        by tls: TLSSession,
        on connection: Connection
    ) {
        var position = 0
        repeat {
            let end = min(position + sealedByteCountMax, frames.count)
            let piece = unsafe UnsafeRawBufferPointer(rebasing: frames[position..<end])
            position = end
            guard unsafe tls.send(piece) else {
                sealingFailed(on: connection)
                return
            }
        } while sendWire(on: connection) && position < frames.count
        guard position < frames.count, connection.stage == .open else { return }
        unsafe connection.output.value.append(
            UnsafeRawBufferPointer(rebasing: frames[position...]),
            from: &outputPool.value
        )
        pauseIfBehind(connection)
    }

    // MARK: The end

    /// Says that nothing more comes, where that was not said; true: it has gone out, or waits, and
    /// the FIN is behind it.
    func closes(_ tls: TLSSession, of connection: Connection) -> Bool {
        tls.close()
        guard unsafe !wire.output.isEmpty else { return false }
        takeOutput(of: connection)
        if !connection.output.value.isEmpty { flushNow(connection) }
        return true
    }

    // MARK: Those that speak something else

    /// A plain answer to a plain request, where TLS is spoken.
    private func refusePlainRequest(on connection: Connection) {
        counters.plainRequestsRefused += 1
        let refusal = Refusal.plainRequest
        unsafe refusal.bytes(date: dateText(), isHeadOnly: false).withUnsafeBytes {
            unsafe connection.output.value.appendSealed($0, from: &outputPool.value)
        }
        markDirty(connection)
        finish(connection)
    }

    /// Whether these are the first bytes of a client that speaks TLS: no method begins so.
    func isTLSHello(_ bytes: Slice<UnsafeMutableRawBufferPointer>) -> Bool {
        unsafe bytes.first == 22
    }

    /// A fatal alert, handshake_failure: a client of TLS shows that better than an HTTP response.
    func refuseTLS(on connection: Connection) {
        counters.tlsHellosRefused += 1
        appendBytes([21, 3, 1, 0, 2, 2, 40], on: connection)
        finish(connection)
    }

    // MARK: What changes while it serves

    private func renewTicketKeys() {
        guard let keys = ticketKeys?.changed() else { return }
        for listener in listeners { listener.tls?.setTicketKeys(keys) }
    }

    /// Reads all certificates anew, for connections from now on; where that fails the old ones stay.
    func reloadTLS() {
        for listener in listeners {
            guard let tls = listener.tls else { continue }
            do {
                try tls.reload()
                logger.info("certificates were read again", metadata: tls.metadata)
            } catch {
                logger.error("the certificates stay as they were: \(error)")
            }
        }
    }
}
