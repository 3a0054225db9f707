// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusProtocol
import ApusRing
import ApusTLS
import CApusSystem
import HTTPTypes
import Logging

/// The way of a connection that we open: a slot and a deadline at once, then the addresses of the
/// host (or of the proxy), a connect to one after the other, the handshake (or a tunnel first), and
/// from there as any other connection.
extension ConnectionDriver: WebSocketDialer where Ring: ~Copyable {
    func dial(
        _ url: WebSocketURL,
        protocols: [String],
        origin: String?,
        fields: [HeaderField],
        for client: WebSocketClient,
        _ report: @escaping ConnectReport
    ) throws(WebSocketError) -> Connection {
        guard drain == nil else { throw .noWorker }
        let deadline = now.advanced(by: client.configuration.handshakeTimeout)
        let limits = client.configuration.handshakeLimits
        let route = client.configuration.route
        let preferences = client.configuration.compression.preferences(
            contextCount: compression.contextCount
        )
        let tls = url.isSecure ? try client.tlsContext() : nil
        let attempt: ConnectAttempt
        do {
            attempt = ConnectAttempt(
                client: client,
                dialer: self,
                handshake: try ClientHandshake(
                    url: url,
                    protocols: protocols,
                    origin: origin,
                    deflate: preferences?.offer,
                    fields: fields,
                    nonce: randomBytes.nextNonce(),
                    limits: limits,
                    deadline: deadline
                ),
                tunnel: try route.tunnel(to: url, limits: limits, deadline: deadline),
                tls: tls,
                host: url.host,
                report: report
            )
        } catch {
            throw .invalidRequest("\(error)")
        }
        let known = try route.knownAddresses(for: url)
        let connection = table.insert { slot, generation in
            Connection(
                socket: -1,
                slot: slot,
                generation: generation,
                context: ConnectionContext(
                    owner: self,
                    isSecure: url.isSecure,
                    attempt.configuration.connections,
                    compression: attempt.configuration.compression
                ),
                now: now
            )
        }
        connection.attempt = attempt
        if preferences?.takesOver == true {
            attempt.offersContexts = true
            compression.contextCount += 1
        }
        connection.pauses = .connecting
        client.attempts.append(connection)
        deadlines.set(deadline, slot: Int(connection.slot))
        guard known.isEmpty else {
            attempt.addresses = SocketAddresses(known)
            dialing.append(connection)
            return connection
        }
        let (host, port) = route.host(for: url)
        lookUp(host, port) { [weak self] addresses in
            guard let self, attempt.isPending else { return }
            guard !addresses.isEmpty else {
                fail(connection, .nameNotFound(host))
                return
            }
            attempt.addresses = SocketAddresses(addresses)
            dialing.append(connection)
        }
        return connection
    }

    func abort(_ connection: Connection) {
        fail(connection, .aborted)
    }

    func abandon(_ connection: Connection) {
        connection.attempt?.isAbandoned = true
        dialing.append(connection)
    }
}

extension ConnectionDriver where Ring: ~Copyable {
    /// Connects what was dialed since the last wait, and ends what was abandoned; what fails at
    /// once is told here, and so never within `connect`.
    func connectDialed() {
        guard !dialing.isEmpty else { return }
        let dialed = dialing
        dialing = []
        for connection in dialed {
            if connection.attempt?.isAbandoned == true {
                fail(connection, .aborted)
            } else {
                connectNext(connection)
            }
        }
    }

    /// Tries the next address; there is no socket now.
    private func connectNext(_ connection: Connection) {
        guard let attempt = connection.attempt, attempt.isPending else { return }
        while let address = unsafe attempt.addresses.next() {
            let socket = unsafe ring.socket(for: address)
            guard socket >= 0 else {
                attempt.errno = -socket
                continue
            }
            connection.socket = socket
            attempt.isConnecting = true
            beganOperation(on: connection)
            unsafe ring.connect(socket, to: address, tag: connection.tag(.connect))
            return
        }
        fail(connection, .refused(errno: attempt.errno))
    }

    func connected(_ completion: Completion) {
        guard let connection = connection(endingOperationOf: completion),
            let attempt = connection.attempt
        else { return }
        attempt.isConnecting = false
        guard attempt.isPending else {
            releaseIfIdle(connection)
            return
        }
        guard completion.result >= 0 else {
            attempt.errno = -completion.result
            let verdict = Verdict.ofConnect(errno: attempt.errno)
            precondition(verdict != .fatal, "a connect failed with error \(attempt.errno)")
            ring.close(connection.socket)
            connection.socket = -1
            connectNext(connection)
            return
        }
        connection.remoteAddress = ring.remoteAddress(of: connection.socket)
        connection.pauses.remove(.connecting)
        if attempt.tunnel == nil {
            begin(attempt, on: connection)
        } else {
            appendBytes(attempt.firstRequest, on: connection)
        }
        updateReceiving(on: connection)
    }

    /// The server itself listens: it is sent the request, or the first words of TLS.
    private func begin(_ attempt: ConnectAttempt, on connection: Connection) {
        guard let context = attempt.tls else {
            appendBytes(attempt.firstRequest, on: connection)
            return
        }
        do {
            connection.tls = try TLSSession.client(context, host: attempt.host, on: wire)
        } catch {
            fail(connection, .tlsFailed("\(error)"))
            return
        }
        takeOutput(of: connection)
    }

    /// Feeds the tunnel, if there is to be one, and then the handshake, and does what they say.
    func readResponse(
        _ bytes: UnsafeMutableRawBufferPointer,
        for attempt: ConnectAttempt,
        on connection: Connection
    ) {
        guard attempt.tunnel == nil else {
            unsafe readProxyResponse(bytes, for: attempt, on: connection)
            return
        }
        let action = attempt.handshake?.received(
            unsafe Span(_unsafeBytes: UnsafeRawBufferPointer(bytes)),
            at: now
        )
        switch action {
        case .needMoreBytes, nil:
            return
        case .fail(let violation):
            fail(connection, violation == .deadlinePassed ? .timedOut : .invalidResponse(violation))
        case .httpResponse(let head, consumed: _):
            fail(connection, .httpResponse(HTTPResponse(head)))
        case .open(_, let subprotocol, let consumed):
            open(attempt, protocol: subprotocol, on: connection)
            unsafe readFrames(bytes, from: consumed, on: connection)
        }
    }

    /// What follows an answer that lets us through is the server's; it waits for our request.
    private func readProxyResponse(
        _ bytes: UnsafeMutableRawBufferPointer,
        for attempt: ConnectAttempt,
        on connection: Connection
    ) {
        let action = attempt.tunnel?.received(
            unsafe Span(_unsafeBytes: UnsafeRawBufferPointer(bytes)),
            at: now
        )
        switch action {
        case .needMoreBytes, nil:
            return
        case .fail(let violation):
            fail(
                connection,
                violation == .deadlinePassed ? .timedOut : .invalidProxyResponse(violation)
            )
        case .refused(let head, consumed: _):
            fail(connection, .proxyResponse(HTTPResponse(head)))
        case .established(let consumed):
            attempt.tunnel = nil
            begin(attempt, on: connection)
            guard consumed < bytes.count else { return }
            let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[consumed...])
            unsafe take(rest, from: connection)
        }
    }

    private func open(
        _ attempt: ConnectAttempt,
        protocol subprotocol: String?,
        on connection: Connection
    ) {
        let agreement = attempt.handshake?.deflate
        end(attempt, on: connection)
        counters.connectionsOpened += 1
        let webSocket = connection
        agreed(agreement, on: webSocket)
        webSocket.opened(by: nil, protocol: subprotocol, at: now)
        connection.output.value.maskingKeys = randomBytes
        deadlines.set(webSocket.machine.value.deadline, slot: Int(connection.slot))
        tell(webSocket, on: connection) { try attempt.report(.success(webSocket)) }
    }

    /// The server ended the connection before the handshake was done.
    func serverEnded(_ attempt: ConnectAttempt, on connection: Connection) {
        if case .fail(let violation) = attempt.tunnel?.transportClosed() {
            fail(connection, .invalidProxyResponse(violation))
        } else if isShakingHands(connection) {
            fail(connection, .connectionLost)
        } else if case .fail(let violation) = attempt.handshake?.transportClosed() {
            fail(connection, .invalidResponse(violation))
        }
    }

    /// Ends an attempt, and tells its client why.
    func fail(_ connection: Connection, _ failure: ConnectFailure) {
        guard let attempt = connection.attempt, attempt.isPending else { return }
        end(attempt, on: connection)
        counters.connectsFailed += 1
        drop(connection)
        do {
            try attempt.report(.failure(failure))
        } catch {
            counters.handlerErrors += 1
            logger.error("a client's handler threw", metadata: ["error": "\(error)"])
        }
    }

    private func end(_ attempt: ConnectAttempt, on connection: Connection) {
        if attempt.offersContexts { compression.contextCount -= 1 }
        attempt.handshake = nil
        attempt.tunnel = nil
        attempt.client.attempts.removeAll { $0 === connection }
        dialing.removeAll { $0 === connection }
    }

    /// Ends a connect that is in flight; its completion comes in any case.
    func cancelConnect(of connection: Connection) {
        beganOperation(on: connection)
        ring.cancel(connection.tag(.connect), tag: connection.tag(.cancel))
    }
}
