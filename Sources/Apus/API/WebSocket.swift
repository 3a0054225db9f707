// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol
public import ApusCodec
public import HTTPTypes

/// A connection to a server as web pages know it: the WebSocket interface of the WHATWG standard.
///
/// ```swift
/// let socket = try WebSocket("ws://127.0.0.1:3001/chat", protocols: ["example"])
/// socket.onOpen { try socket.send("hello") }
/// socket.onMessage { message in print(message) }
/// socket.onClose { event in print(event.code, event.wasClean) }
/// ```
/// It connects on the loop that it is made on, see ``WebSocketClient``. Handlers that are set
/// before the caller waits for anything miss nothing; they live as long as the connection. One that
/// throws closes it with 1011.
@WorkerActor
public final class WebSocket {
    /// How far it has come, with the numbers of the standard.
    public enum ReadyState: Int, Sendable {
        /// It is not open yet.
        case connecting

        /// Messages can be sent and received.
        case open

        /// ``WebSocket/close(code:reason:)`` was called.
        case closing

        /// It is over, or was never open.
        case closed
    }

    /// What binary messages are made into.
    public enum BinaryType: String, Sendable {
        /// The bytes, as an array.
        case arraybuffer
    }

    /// What a server sends.
    public enum Message: Hashable, Sendable {
        /// A text message; it may be empty.
        case text(String)

        /// A binary message.
        case bytes([UInt8])
    }

    /// Why a connection failed; web pages are not told as much.
    public struct ErrorEvent: Hashable, Sendable {
        /// A sentence for logs.
        public let message: String
    }

    /// How a connection ended.
    public struct CloseEvent: Hashable, Sendable {
        /// The server's code; 1005 for a Close without one, 1006 where none came or we failed it.
        public let code: CloseCode

        /// The server's reason.
        public let reason: String

        /// Whether the closing handshake was completed, RFC 6455 §7.1.4.
        public let wasClean: Bool
    }

    private struct Handlers {
        var open: (@WorkerActor () throws -> Void)?
        var message: (@WorkerActor (Message) throws -> Void)?
        var error: (@WorkerActor (ErrorEvent) throws -> Void)?
        var close: (@WorkerActor (CloseEvent) throws -> Void)?
    }

    /// The URL, normalised: with a path, and without the usual port.
    public let url: String

    /// How far it has come.
    public private(set) var readyState = ReadyState.connecting

    /// The subprotocol that the server selected; empty before that, and where it selected none.
    public private(set) var `protocol` = ""

    /// The extensions in use, once it is open: permessage-deflate with its parameters, or nothing.
    public private(set) var extensions = ""

    /// What binary messages are made into; of the standard's types there is no `blob`.
    public var binaryType: BinaryType { .arraybuffer }

    private var handlers = Handlers()
    private var attempt: Connection?
    private var connection: WebSocketConnection?
    /// Of what was given to be sent, that which never will be.
    private var lostByteCount = 0

    /// Begins to connect.
    ///
    /// The arguments are those of ``WebSocketClient/connect(_:protocols:origin:fields:)``, and so
    /// is what it throws: what web pages know as a SyntaxError.
    public convenience init(
        _ url: String,
        protocols: [String] = [],
        origin: String? = nil,
        fields: HTTPFields = [:],
        configuration: ClientConfiguration = ClientConfiguration()
    ) throws(WebSocketError) {
        let client = WebSocketClient(configuration: configuration)
        try self.init(url, protocols: protocols, origin: origin, fields: fields, client: client)
    }

    init(
        _ url: String,
        protocols: [String] = [],
        origin: String? = nil,
        fields: HTTPFields = [:],
        client: WebSocketClient
    ) throws(WebSocketError) {
        let parsed = try WebSocketClient.parse(url)
        self.url = parsed.description
        attempt = try client.begin(parsed, protocols, origin, fields) { try self.ended($0) }
    }

    // MARK: Handlers

    /// Called when messages can be sent.
    public func onOpen(_ handler: @escaping @WorkerActor () throws -> Void) {
        handlers.open = handler
    }

    /// Called with every message.
    public func onMessage(_ handler: @escaping @WorkerActor (Message) throws -> Void) {
        handlers.message = handler
    }

    /// Called before ``onClose(_:)`` where the connection could not be opened, broke or was failed:
    /// where it did not end cleanly.
    public func onError(_ handler: @escaping @WorkerActor (ErrorEvent) throws -> Void) {
        handlers.error = handler
    }

    /// Called once, when the connection is over or could not be opened.
    public func onClose(_ handler: @escaping @WorkerActor (CloseEvent) throws -> Void) {
        handlers.close = handler
    }

    // MARK: Sending

    /// Sends a text message; throws ``WebSocketError/connecting`` while it is not open yet.
    ///
    /// One that is given later than ``close(code:reason:)`` is lost, and counts as buffered.
    public func send(_ text: String) throws(WebSocketError) {
        try send(byteCount: text.utf8.count) { $0.sendUTF(text) }
    }

    /// Sends a binary message; throws ``WebSocketError/connecting`` while it is not open yet.
    ///
    /// One that is given later than ``close(code:reason:)`` is lost, and counts as buffered.
    public func send(_ bytes: [UInt8]) throws(WebSocketError) {
        try send(byteCount: bytes.count) { $0.sendBytes(bytes) }
    }

    /// How many bytes were given to be sent and have not gone out, the headers of frames included.
    ///
    /// Of a connection that is over it never becomes less.
    public var bufferedAmount: Int { lostByteCount + (connection?.bufferedAmount ?? 0) }

    private func send(
        byteCount: Int,
        _ send: (WebSocketConnection) -> SendResult
    ) throws(WebSocketError) {
        guard readyState != .connecting else { throw .connecting }
        switch connection.map(send) ?? .closed {
        case .sent, .queued, .displaced: break
        case .dropped, .overLimit, .messageOpen, .closed: lostByteCount += byteCount
        }
    }

    // MARK: Closing

    /// Closes: what was sent before goes out first; an attempt to connect is given up.
    ///
    /// Without a code the Close has none. Throws ``WebSocketError/invalidCloseCode(_:)`` for any
    /// code but 1000 and 3000 to 4999, and ``WebSocketError/closeReasonTooLong`` for a reason of
    /// more than 123 bytes; then nothing has happened, and nothing happens either where it is
    /// closing or closed. No handler is called before it returns.
    public func close(code: CloseCode? = nil, reason: String = "") throws(WebSocketError) {
        if let code, code != .normalClosure, !(3000...4999 ~= code.rawValue) {
            throw .invalidCloseCode(code.rawValue)
        }
        guard reason.utf8.count <= 123 else { throw .closeReasonTooLong }
        switch readyState {
        case .closing, .closed:
            return
        case .connecting:
            readyState = .closing
            if let attempt { attempt.attempt?.dialer?.abandon(attempt) }
        case .open:
            readyState = .closing
            guard let connection else { return }
            let code = code ?? (reason.isEmpty ? nil : .normalClosure)
            connection.owner.close(connection, code, reason: reason)
        }
    }

    // MARK: Outcomes

    /// The attempt to connect came to its end.
    private func ended(_ result: Result<WebSocketConnection, ConnectFailure>) throws {
        attempt = nil
        switch result {
        case .failure(let failure):
            try tell(nil, why: failure.description)
        case .success(let connection):
            guard readyState == .connecting else {
                // The answer came in the turn in which it was given up.
                connection.drop()
                try tell(nil, why: ConnectFailure.aborted.description)
                return
            }
            self.connection = connection
            `protocol` = connection.protocol ?? ""
            extensions = connection.extensions
            readyState = .open
            connection.onMessage { [self] message in
                try handlers.message?(Message(message))
            }
            connection.onClose { [self] _, reason in
                let outcome = connection.machine.value.closeOutcome
                // What breaks off loses what waits; any other end sends it first.
                if outcome?.code == .abnormalClosure { lostByteCount = bufferedAmount }
                self.connection = nil
                try tell(outcome?.isClean == true ? outcome : nil, why: reason)
            }
            try handlers.open?()
        }
    }

    /// Tells the application, once, that it is over: with what the server said, or nil.
    private func tell(_ outcome: ConnectionOutcome?, why: String) throws {
        readyState = .closed
        let told = handlers
        // They may hold this socket.
        handlers = Handlers()
        let result = Result { if outcome == nil { try told.error?(ErrorEvent(message: why)) } }
        try told.close?(
            CloseEvent(
                code: outcome?.code ?? .abnormalClosure,
                reason: outcome?.reason ?? "",
                wasClean: outcome != nil
            )
        )
        try result.get()
    }
}

extension WebSocket.Message {
    init(_ message: borrowing WebSocketMessage) {
        if let text = message.utf8Data {
            self = .text(text)
        } else {
            self = .bytes(message.binaryData ?? [])
        }
    }
}
