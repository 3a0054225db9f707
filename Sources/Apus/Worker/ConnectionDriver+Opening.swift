// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusProtocol
import ApusRing
import Logging

extension ConnectionDriver where Ring: ~Copyable {
    /// Bytes of a connection that speaks HTTP.
    func readOpening(_ received: UnsafeMutableRawBufferPointer, on connection: Connection) {
        guard let opening = connection.opening else { return }
        // What came before may be about to be read, with the next flush.
        guard !isBlocked(opening, on: connection), opening.early.isEmpty else {
            unsafe keepEarly(received, of: opening, on: connection)
            return
        }
        guard let start = unsafe readPreface(received, of: opening, on: connection) else { return }
        if opening.machine?.isUntouched == true, unsafe isTLSHello(received[start...]) {
            refuseTLS(on: connection)
            return
        }
        unsafe readRequests(received, from: start, of: opening, on: connection)
    }

    /// Feeds the handshake, and does what it says; returns how many bytes it took.
    func readHead(_ bytes: Span<UInt8>, of opening: Opening, on connection: Connection) -> Int {
        if opening.machine == nil {
            let deadline = now.advanced(by: configuration.handshakeTimeout)
            opening.machine = HandshakeStateMachine(
                limits: configuration.handshakeLimits,
                deadline: deadline
            )
            deadlines.set(deadline, slot: Int(connection.slot))
        }
        switch opening.machine?.received(bytes, at: now) ?? .needMoreBytes {
        case .needMoreBytes:
            return bytes.count
        case .refuse(let refusal):
            counters.handshakesRefused += 1
            let isUpgrade = opening.machine?.isHandshake == true
            refuse(connection, with: refusal)
            if isUpgrade { tellUpgradeError(refusal, of: connection) }
            return bytes.count
        case .request(let head, let consumed):
            opening.machine = nil
            let isWhole = consumed == bytes.count
            beginExchange(head, isFollowed: !isWhole, of: opening, on: connection)
            return consumed
        case .upgrade(let upgrade, let consumed):
            opening.machine = nil
            decide(upgrade, on: connection)
            if connection.stage == .opening { opening.isDeferred = true }
            return consumed
        }
    }

    // MARK: WebSocket requests

    /// The application has not decided, or answered: what was on its way waits for it.
    ///
    /// Reading goes on, so that the client's end is seen at once, unless it sends and sends.
    func keepEarly(
        _ bytes: UnsafeMutableRawBufferPointer,
        of opening: Opening,
        on connection: Connection
    ) {
        unsafe opening.early.append(contentsOf: bytes)
        if opening.early.count > Opening.earlyByteCountMax { connection.pauses.insert(.decision) }
    }

    /// Asks the application.
    ///
    /// What it throws rejects the request, or closes the connection if it had accepted.
    private func decide(_ upgrade: UpgradeRequest, on connection: Connection) {
        guard let opening = connection.opening else { return }
        let addresses = RemoteAddresses(
            transport: opening.transportAddresses,
            head: upgrade.head,
            field: configuration.forwardedField,
            trusting: configuration.trustedProxies
        )
        connection.remoteAddress = addresses.client
        let request = WebSocketRequest(
            upgrade: upgrade,
            addresses: addresses,
            connection: connection,
            owner: self
        )
        opening.request = request
        if let policy = configuration.originPolicy,
            !policy.admits(
                origin: upgrade.origin,
                host: upgrade.host,
                isSecure: connection.context.isSecure
            )
        {
            counters.originsRefused += 1
            reject(request, with: .originRefused)
            tellUpgradeError(.originRefused, of: connection)
            return
        }
        guard let server = connection.httpServer?.webSocketServer,
            let handler = server.requestHandler
        else {
            reject(request, with: .noHandler)
            tellUpgradeError(.noHandler, of: connection)
            return
        }
        server.asked(request)
        do {
            try handler(request)
        } catch {
            requestHandlerFailed(error, of: request, connection.webSocket)
        }
    }

    /// What a request's handler throws rejects the request, or closes the connection that it accepted.
    private func requestHandlerFailed(
        _ error: any Error,
        of request: WebSocketRequest,
        _ webSocket: WebSocketConnection?
    ) {
        countHandlerError("a request handler threw", error)
        if request.isPending {
            reject(request, with: .telling(error))
        } else if let webSocket, let connection = webSocket.transport {
            fail(webSocket, on: connection, .internalError, "internal error")
        }
    }

    /// Tells the application of a request that it was not asked about.
    private func tellUpgradeError(_ refusal: Refusal, of connection: Connection) {
        guard let handler = connection.httpServer?.webSocketServer?.upgradeErrorHandler else {
            return
        }
        let error = UpgradeError(
            remoteAddress: connection.remoteAddress,
            status: refusal.status,
            reason: refusal.reason,
            violation: refusal.violation
        )
        tellOfEnd { try handler(error) }
    }

    /// The early frames of requests that were accepted after their handler had returned, early
    /// requests behind one that was answered, and what was held of connections that go on.
    func readEarlyFrames() {
        while let connection = resumed.popLast() {
            if connection.stage == .opening { readEarlyRequests(on: connection) }
            guard connection.stage == .open else { continue }
            guard let opening = connection.opening else {
                if let stream = connection.webSocket?.stream, stream.isHandingOver {
                    stream.handOver()
                }
                readHeldFrames(on: connection)
                continue
            }
            connection.opening = nil
            connection.pauses.remove(.decision)
            unsafe opening.early.withUnsafeMutableBytes {
                unsafe readFrames($0, from: 0, on: connection)
            }
            caughtUp(on: connection)
        }
    }

    // MARK: Refusals and time

    /// An error with a status of its own is an answer; any other one is a mistake to be told of.
    func countHandlerError(_ message: Logger.Message, _ error: any Error) {
        guard !(error is any HTTPStatusError) else { return }
        counters.handlerErrors += 1
        logger.error(message, metadata: ["error": "\(error)"])
    }

    /// Answers a request that will not be served, and ends the connection.
    ///
    /// Where that would take a TLS handshake first, there is no answer.
    func refuse(_ connection: Connection, with refusal: Refusal) {
        guard !isShakingHands(connection) else {
            drop(connection)
            return
        }
        let isHeadOnly = connection.opening?.exchange?.isHeadOnly == true
        appendBytes(refusal.bytes(date: dateText(), isHeadOnly: isHeadOnly), on: connection)
        finish(connection)
        logger.debug(
            "refused a request",
            metadata: [
                "status": "\(refusal.status)", "reason": "\(refusal.reason)",
                "from": "\(connection.remoteAddress)",
            ]
        )
    }

    /// The time for the request and its answer is over.
    func openingTimedOut(_ connection: Connection) {
        if connection.isClient {
            fail(connection, .timedOut)
            return
        }
        guard let opening = connection.opening else { return }
        guard !opening.isIdle else {
            answerTimedOut(connection)
            return
        }
        if let exchange = opening.exchange {
            exchangeTimedOut(exchange, on: connection)
            return
        }
        guard opening.request == nil else {
            counters.handshakesTimedOut += 1
            counters.handshakesRefused += 1
            refuse(connection, with: .unavailable(reason: "the request was not decided in time"))
            return
        }
        if case .required = opening.preface {
            // What this peer speaks is not known: there is no language to answer in.
            counters.handshakesTimedOut += 1
            drop(connection)
            return
        }
        switch opening.machine?.timerFired(at: now) {
        case .refuse(let refusal):
            counters.handshakesTimedOut += 1
            refuse(connection, with: refusal)
        case .needMoreBytes, .request, .upgrade, nil:
            break
        }
    }
}

// MARK: What requests ask of their worker

extension ConnectionDriver: RequestOwner where Ring: ~Copyable {
    func accept(
        _ request: WebSocketRequest,
        response: [UInt8],
        protocol subprotocol: String?,
        deflate agreement: DeflateAgreement?
    ) throws(WebSocketError) -> WebSocketConnection {
        guard let connection = request.connection, connection.stage == .opening else {
            throw .clientGone
        }
        // The one that was asked, also where another is mounted by now.
        guard let server = request.server else { throw .clientGone }
        counters.handshakesCompleted += 1
        let webSocket = connection
        webSocket.opened(by: server, protocol: subprotocol, at: now)
        agreed(agreement, on: webSocket)
        if let handlerTask = request.handlerTask {
            handlerTask.webSocket = webSocket
            let stream = MessageStream(of: webSocket, handlerTask: handlerTask)
            webSocket.stream = stream
            stream.awaitReader(assemblesFragments: assemblesFragments)
        }
        request.resolve()
        if connection.opening?.isDeferred == true {
            resumed.append(connection)
        } else {
            connection.opening = nil
        }
        appendBytes(response, on: connection)
        deadlines.set(webSocket.machine.value.deadline, slot: Int(connection.slot))
        server.opened(webSocket)
        tell(webSocket, on: connection) { try server.connectHandler?(webSocket) }
        return webSocket
    }

    func beganTask() {
        taskCount += 1
    }

    func endedTask(_ task: HandlerTask, of request: WebSocketRequest, _ error: (any Error)?) {
        taskCount -= 1
        // What it throws because its connection, or its client, is gone is nobody's mistake.
        if let error, task.webSocket != nil || !task.isCanceled {
            requestHandlerFailed(error, of: request, task.webSocket)
        }
        task.webSocket?.stream?.handlerEnded()
        task.webSocket = nil
    }

    func reject(_ request: WebSocketRequest, with refusal: Refusal) {
        guard let connection = request.connection, connection.stage == .opening else { return }
        request.resolve()
        counters.handshakesRefused += 1
        refuse(connection, with: refusal)
    }
}
