// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol
import ApusRing
import Logging

/// Ordinary requests, one after the other, each with its body and its answer.
extension ConnectionDriver where Ring: ~Copyable {
    /// With this much waiting to be sent, no further request is read.
    private var answerByteCountMax: Int { 65_536 }

    /// Whether the next request has to wait: for an answer, or for its way out.
    func isBlocked(_ opening: Opening, on connection: Connection) -> Bool {
        opening.isAwaitingAnswer || connection.isAwaitingWritable
    }

    // MARK: Reading

    /// Reads requests until the bytes are used up, one has to wait, or the connection is a WebSocket.
    func readRequests(
        _ bytes: UnsafeMutableRawBufferPointer,
        from start: Int,
        of opening: Opening,
        on connection: Connection
    ) {
        var position = start
        while position < bytes.count, connection.stage == .opening,
            !isBlocked(opening, on: connection)
        {
            let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[position...])
            let span = unsafe Span<UInt8>(_unsafeBytes: rest)
            if let exchange = opening.exchange {
                position += readBody(span, of: exchange, on: connection)
            } else {
                position += readHead(span, of: opening, on: connection)
            }
        }
        if connection.stage == .open {
            unsafe readFrames(bytes, from: position, on: connection)
        } else if connection.stage == .opening, position < bytes.count {
            let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[position...])
            unsafe keepEarly(rest, of: opening, on: connection)
        }
    }

    /// The requests that came before an answer.
    func readEarlyRequests(on connection: Connection) {
        guard let opening = connection.opening, !isBlocked(opening, on: connection) else { return }
        var early: [UInt8] = []
        swap(&early, &opening.early)
        connection.pauses.remove(.decision)
        unsafe early.withUnsafeMutableBytes {
            unsafe readRequests($0, from: 0, of: opening, on: connection)
        }
        caughtUp(on: connection)
    }

    /// A head is complete: its body is next, if the request is served at all.
    func beginExchange(
        _ head: RequestHead,
        isFollowed: Bool,
        of opening: Opening,
        on connection: Connection
    ) {
        guard let httpServer = connection.httpServer else { return }
        let exchange = HTTPExchange(
            head: head,
            handler: httpServer.handler(for: head.method),
            body: RequestBodyReader(
                head.body,
                byteCountMax: configuration.maxRequestBodySize,
                limits: configuration.handshakeLimits
            )
        )
        opening.exchange = exchange
        if case .refusal(let refusal) = exchange.handler {
            // A body that is not read hides where the next request begins.
            let hasBody = head.body != .none && head.body != .byteCount(0)
            answer(exchange, with: refusal, on: connection, closes: hasBody)
            return
        }
        _ = readBody(Span(), of: exchange, on: connection)
        // Who has begun to send it does not wait for a word.
        let isAwaited = connection.opening?.exchange === exchange && !exchange.isAsked
        if isAwaited, !isFollowed, head.expectsContinue {
            appendBytes(HTTPReply.continueBytes, on: connection)
        }
    }

    private func readBody(
        _ bytes: Span<UInt8>,
        of exchange: HTTPExchange,
        on connection: Connection
    ) -> Int {
        switch exchange.body.read(bytes) {
        case .needMoreBytes:
            return bytes.count
        case .complete(let consumed):
            ask(exchange, on: connection)
            return consumed
        case .broken(let violation):
            counters.bodiesRefused += 1
            refuse(connection, with: violation.refusal)
            return bytes.count
        }
    }

    // MARK: Answering

    /// Asks the application, with the body at hand.
    private func ask(_ exchange: HTTPExchange, on connection: Connection) {
        guard let opening = connection.opening else { return }
        let addresses = RemoteAddresses(
            transport: opening.transportAddresses,
            head: exchange.head,
            field: configuration.forwardedField,
            trusting: configuration.trustedProxies
        )
        let request = HTTPServerRequest(
            head: exchange.head,
            body: exchange.body.bytes,
            remoteAddress: addresses.client,
            on: connection
        )
        exchange.isAsked = true
        switch exchange.handler {
        case .atOnce(let handler):
            answer(exchange, with: Result { try handler(request) }, on: connection)
        case .later(let handler):
            let task = HandlerTask()
            exchange.task = task
            taskCount += 1
            task.begin {
                let result: Result<HTTPAnswer, any Error>
                do {
                    result = .success(try await handler(request))
                } catch {
                    result = .failure(error)
                }
                self.taskCount -= 1
                self.answeredLater(exchange, with: result, on: connection)
            }
        case .refusal:
            preconditionFailure("a request that is refused has nobody to ask")
        }
    }

    private func answeredLater(
        _ exchange: HTTPExchange,
        with result: Result<HTTPAnswer, any Error>,
        on connection: Connection
    ) {
        exchange.task = nil
        guard let opening = connection.opening, opening.exchange === exchange else {
            if case .failure(let error) = result, !(error is CancellationError) {
                countHandlerError("an HTTP handler threw", error)
            }
            return
        }
        answer(exchange, with: result, on: connection)
        if !opening.early.isEmpty { resumed.append(connection) }
    }

    private func answer(
        _ exchange: HTTPExchange,
        with result: Result<HTTPAnswer, any Error>,
        on connection: Connection
    ) {
        do {
            let answer = try result.get()
            let closes = isLast(exchange) || answer.closes
            let bytes = try answer.bytes(
                date: dateText(),
                isHeadOnly: exchange.isHeadOnly,
                closes: closes
            )
            answered(with: bytes, on: connection, closes: closes)
        } catch {
            countHandlerError("an HTTP handler threw", error)
            answer(exchange, with: .telling(error), on: connection, closes: false)
        }
    }

    private func answer(
        _ exchange: HTTPExchange,
        with refusal: Refusal,
        on connection: Connection,
        closes: Bool
    ) {
        let closes = closes || isLast(exchange)
        let bytes = refusal.bytes(
            date: dateText(),
            isHeadOnly: exchange.isHeadOnly,
            closes: closes
        )
        answered(with: bytes, on: connection, closes: closes)
    }

    private func isLast(_ exchange: HTTPExchange) -> Bool {
        !exchange.head.isPersistent || configuration.httpKeepAliveTimeout == nil || drain != nil
    }

    private func answered(with bytes: [UInt8], on connection: Connection, closes: Bool) {
        counters.requestsAnswered += 1
        connection.opening?.exchange = nil
        appendBytes(bytes, on: connection)
        guard !closes else {
            finish(connection)
            return
        }
        awaitRequest(on: connection)
        if connection.output.value.byteCount > answerByteCountMax { flushNow(connection) }
    }

    /// The next request may come, for a while.
    private func awaitRequest(on connection: Connection) {
        guard let timeout = configuration.httpKeepAliveTimeout else { return }
        deadlines.set(now.advanced(by: timeout), slot: Int(connection.slot))
    }

    /// The text of a Date field, RFC 9110 §6.6.1.
    func dateText() -> String? {
        let second = wallClock()
        if date?.second != second {
            date = HTTPDate.text(secondsSince1970: second).map { (second, $0) }
        }
        return date?.text
    }

    // MARK: Slow clients, and those that leave

    /// The kernel takes no more of an answer for now: from each time on that it took some, the client
    /// has the time of a close.
    func answerWaits(on connection: Connection) {
        guard connection.webSocket == nil, connection.httpServer != nil,
            connection.stage == .finishing || connection.opening?.isIdle == true
        else { return }
        deadlines.set(
            now.advanced(by: configuration.closeTimeout),
            slot: Int(connection.slot)
        )
    }

    /// All answers have gone out, after they had to wait.
    func answersLeft(on connection: Connection) {
        guard let opening = connection.opening else { return }
        if opening.isIdle { awaitRequest(on: connection) }
        if !opening.early.isEmpty { resumed.append(connection) }
    }

    /// Whether answers are on their way, or requests that came wait to be read.
    func isAnswering(_ connection: Connection) -> Bool {
        guard let opening = connection.opening else { return false }
        return !connection.output.value.isEmpty
            || !opening.early.isEmpty && !opening.isAwaitingAnswer
    }

    /// The client sends no more, and still gets what can be answered without waiting.
    func clientEnded(_ connection: Connection) {
        guard let opening = connection.opening else { return }
        if opening.early.isEmpty || opening.isAwaitingAnswer { finish(connection) }
    }

    /// No other request came in time, or the client does not read the last answer.
    func answerTimedOut(_ connection: Connection) {
        if connection.output.value.isEmpty {
            finish(connection)
        } else {
            counters.closeTimeouts += 1
            drop(connection)
        }
    }

    /// The body, or the answer, did not come in time.
    func exchangeTimedOut(_ exchange: HTTPExchange, on connection: Connection) {
        counters.requestsTimedOut += 1
        refuse(
            connection,
            with: exchange.isAsked
                ? .unavailable(reason: "the request was not answered in time")
                : HandshakeViolation.deadlinePassed.refusal
        )
    }

    /// The worker ends: the request that is being read or answered still is, and no other.
    func endOpening(_ connection: Connection) {
        guard let opening = connection.opening, opening.exchange == nil else { return }
        if opening.isIdle {
            finish(connection)
            // Where an answer is on its way, or the client has ended, there is another end.
            guard connection.stage == .lingering else { return }
        } else {
            refuse(connection, with: .unavailable(reason: "server is going away"))
            guard connection.stage == .finishing else { return }
        }
        // Nobody waits long for a client that has not even asked.
        deadlines.set(now.advanced(by: .milliseconds(500)), slot: Int(connection.slot))
    }
}
