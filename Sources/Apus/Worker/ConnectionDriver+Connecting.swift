// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusProtocol
import ApusRing
import CApusSystem
import HTTPTypes
import Logging

/// The way of a connection that we open: a slot and a deadline at once, then the addresses of the
/// host, a connect to one after the other, the handshake, and from there as any other connection.
extension ConnectionDriver: WebSocketDialer where Ring: ~Copyable {
    func dial(
        _ url: WebSocketURL,
        protocols: [String],
        origin: String?,
        fields: [HeaderField],
        for client: WebSocketClient
    ) throws(WebSocketError) {
        guard drain == nil else { throw .noWorker }
        let deadline = now.advanced(by: client.configuration.handshakeTimeout)
        let attempt: ConnectAttempt
        do {
            attempt = ConnectAttempt(
                client: client,
                dialer: self,
                handshake: try ClientHandshake(
                    url: url,
                    protocols: protocols,
                    origin: origin,
                    fields: fields,
                    nonce: randomBytes.nextNonce(),
                    limits: client.configuration.handshakeLimits,
                    deadline: deadline
                )
            )
        } catch {
            throw .invalidRequest("\(error)")
        }
        let connection = table.insert { slot, generation in
            Connection(slot: slot, generation: generation, attempt: attempt)
        }
        client.attempts.append(connection)
        deadlines.set(deadline, slot: Int(connection.slot))
        let known = AddressLookup.known(url.host, port: url.port)
        guard known.isEmpty else {
            attempt.addresses = SocketAddresses(known)
            dialing.append(connection)
            return
        }
        lookUp(url.host, url.port) { [weak self] addresses in
            guard let self, attempt.isPending else { return }
            guard !addresses.isEmpty else {
                fail(connection, .nameNotFound(url.host))
                return
            }
            attempt.addresses = SocketAddresses(addresses)
            dialing.append(connection)
        }
    }

    func abort(_ connection: Connection) {
        fail(connection, .aborted)
    }
}

extension ConnectionDriver where Ring: ~Copyable {
    /// Connects what was dialed since the last wait; what fails at once is told here, and so never
    /// within `connect`.
    func connectDialed() {
        guard !dialing.isEmpty else { return }
        let dialed = dialing
        dialing = []
        for connection in dialed { connectNext(connection) }
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
        appendBytes(attempt.handshake?.request ?? [], on: connection)
        updateReceiving(on: connection)
    }

    /// Feeds the handshake, and does what it says.
    func readResponse(
        _ bytes: UnsafeMutableRawBufferPointer,
        for attempt: ConnectAttempt,
        on connection: Connection
    ) {
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
            guard let handler = attempt.client.handlers.response else {
                fail(connection, .httpStatus(head.status))
                return
            }
            end(attempt, on: connection)
            counters.connectsFailed += 1
            drop(connection)
            tellClient { try handler(HTTPResponse(head)) }
        case .open(_, let subprotocol, let consumed):
            open(attempt, protocol: subprotocol, on: connection)
            unsafe readFrames(bytes, from: consumed, on: connection)
        }
    }

    private func open(
        _ attempt: ConnectAttempt,
        protocol subprotocol: String?,
        on connection: Connection
    ) {
        end(attempt, on: connection)
        counters.connectionsOpened += 1
        let webSocket = WebSocketConnection(
            transport: connection,
            owner: self,
            server: nil,
            machine: ConnectionStateMachine(
                role: .client,
                configuration: attempt.configuration.connections,
                openedAt: now
            ),
            protocol: subprotocol
        )
        connection.stage = .open
        connection.webSocket = webSocket
        connection.output.value.maskingKeys = randomBytes
        deadlines.set(webSocket.machine.value.deadline, slot: Int(connection.slot))
        tell(webSocket, on: connection) { try attempt.client.handlers.connect?(webSocket) }
    }

    /// The server ended the connection before the handshake was done.
    func serverEnded(_ attempt: ConnectAttempt, on connection: Connection) {
        guard case .fail(let violation) = attempt.handshake?.transportClosed() else { return }
        fail(connection, .invalidResponse(violation))
    }

    /// Ends an attempt, and tells its client why.
    func fail(_ connection: Connection, _ failure: ConnectFailure) {
        guard let attempt = connection.attempt, attempt.isPending else { return }
        end(attempt, on: connection)
        counters.connectsFailed += 1
        drop(connection)
        tellClient { try attempt.client.handlers.failure?(failure) }
    }

    private func end(_ attempt: ConnectAttempt, on connection: Connection) {
        attempt.handshake = nil
        attempt.client.attempts.removeAll { $0 === connection }
        dialing.removeAll { $0 === connection }
    }

    private func tellClient(_ handler: @WorkerActor () throws -> Void) {
        do {
            try handler()
        } catch {
            counters.handlerErrors += 1
            logger.error("a client's handler threw", metadata: ["error": "\(error)"])
        }
    }

    /// Ends a connect that is in flight; its completion comes in any case.
    func cancelConnect(of connection: Connection) {
        beganOperation(on: connection)
        ring.cancel(connection.tag(.connect), tag: connection.tag(.cancel))
    }
}
