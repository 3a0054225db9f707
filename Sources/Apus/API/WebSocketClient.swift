// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol
import ApusTLS
public import HTTPTypes

/// Opens WebSocket connections to other servers, on the loop of the worker that it is used in.
///
/// ```swift
/// let client = WebSocketClient()
/// client.onConnect { connection in
///     connection.onMessage { message in print(message.utf8Data ?? "") }
///     connection.sendUTF("hello")
/// }
/// client.onConnectFailed { failure in print(failure) }
/// try client.connect("ws://127.0.0.1:3001/chat", protocols: ["example"])
/// ```
/// An open connection is like one that was accepted, but for what the protocol says of clients: what
/// it sends is masked, and masked frames of the server close it (RFC 6455 §5.1). It is the worker's:
/// not among a server's connections, and closed with 1001 when the worker drains.
///
/// There is neither redirection nor repetition; what a 401 or a redirection asks for is told to
/// ``onHTTPResponse(_:)``.
///
/// In a server it is used in handlers; a program that is no server runs a loop by
/// ``WorkerActor/run(configuration:logger:_:)``, and has ``open(_:protocols:origin:fields:)``.
@WorkerActor
public final class WebSocketClient {
    /// Limits and times; those of an attempt are read when it begins.
    public var configuration: ClientConfiguration {
        didSet { context = nil }
    }

    /// What the configuration says of TLS, once that was asked for: roots take their time to read.
    private var context: TLSContext?

    /// The worker that it uses; nil: the one of this process.
    private weak var dialer: (any WebSocketDialer)?

    var handlers = Handlers()

    struct Handlers {
        var connect: (@WorkerActor (WebSocketConnection) throws -> Void)?
        var failure: (@WorkerActor (ConnectFailure) throws -> Void)?
        var response: (@WorkerActor (HTTPResponse) throws -> Void)?
    }

    /// Those whose outcome is not known.
    var attempts: [Connection] = []

    /// A client; nothing happens before ``connect(_:protocols:origin:fields:)``.
    public nonisolated init(configuration: ClientConfiguration = ClientConfiguration()) {
        self.configuration = configuration
    }

    init(configuration: ClientConfiguration = ClientConfiguration(), dialer: any WebSocketDialer) {
        self.configuration = configuration
        self.dialer = dialer
    }

    // MARK: Handlers

    /// Called with each connection when it is open; an error that it throws closes it with 1011.
    public func onConnect(_ handler: @escaping @WorkerActor (WebSocketConnection) throws -> Void) {
        handlers.connect = handler
    }

    /// Called once for each attempt that came to nothing, never before `connect` has returned.
    public func onConnectFailed(_ handler: @escaping @WorkerActor (ConnectFailure) throws -> Void) {
        handlers.failure = handler
    }

    /// Called in place of ``onConnectFailed(_:)`` for ``ConnectFailure/httpResponse(_:)``, where the
    /// server answers with another status than 101; the body is not read.
    public func onHTTPResponse(_ handler: @escaping @WorkerActor (HTTPResponse) throws -> Void) {
        handlers.response = handler
    }

    // MARK: Connecting

    /// Begins to connect to a URL such as `ws://example.com:8080/chat`; a handler is told the outcome.
    ///
    /// `protocols` are offered in this order, and the server has to select one if there are any.
    /// `fields` are added to the request: all but those that the handshake writes itself. Addresses
    /// and `localhost` are known at once, and the addresses of a name are looked up on a thread of
    /// its own, which lives on until the system's resolver gives up; they are tried one after the
    /// other. Several attempts may be under way at a time. Throws
    /// ``WebSocketError/invalidRequest(_:)`` for a request that no server may be sent, and
    /// ``WebSocketError/noWorker`` where no worker's loop runs, or where it drains.
    public func connect(
        _ url: String,
        protocols: [String] = [],
        origin: String? = nil,
        fields: HTTPFields = [:]
    ) throws(WebSocketError) {
        _ = try begin(try Self.parse(url), protocols, origin, fields) { [self] result in
            switch result {
            case .success(let connection): try handlers.connect?(connection)
            case .failure(.httpResponse(let response)) where handlers.response != nil:
                try handlers.response?(response)
            case .failure(let failure): try handlers.failure?(failure)
            }
        }
    }

    /// A URL that there is a way to.
    static func parse(_ url: String) throws(WebSocketError) -> WebSocketURL {
        let parsed: WebSocketURL
        do {
            parsed = try WebSocketURL(url)
        } catch {
            throw .invalidRequest("the URL \(url) is refused: \(error)")
        }
        return parsed
    }

    func tlsContext() throws(WebSocketError) -> TLSContext {
        if let context { return context }
        do {
            let made = try configuration.tls.context()
            context = made
            return made
        } catch {
            throw .invalidRequest(error.description)
        }
    }

    /// Begins an attempt; `report` is called with the outcome, later.
    func begin(
        _ url: WebSocketURL,
        _ protocols: [String],
        _ origin: String?,
        _ fields: HTTPFields,
        _ report: @escaping ConnectReport
    ) throws(WebSocketError) -> Connection {
        if let problem = configuration.compression.objection {
            throw .invalidRequest("the client's compression \(problem)")
        }
        guard let dialer = dialer ?? WorkerActor.dialer else { throw .noWorker }
        return try dialer.dial(
            url,
            protocols: protocols,
            origin: origin,
            fields: fields.map { HeaderField($0.name.rawName, $0.value) },
            for: self,
            report
        )
    }

    /// Ends all attempts that are under way, as ``ConnectFailure/aborted``; open connections stay.
    public func abort() {
        for connection in attempts { connection.attempt?.dialer?.abort(connection) }
    }
}

/// What a client asks of the worker that it is used in.
@WorkerActor
protocol WebSocketDialer: AnyObject {
    func dial(
        _ url: WebSocketURL,
        protocols: [String],
        origin: String?,
        fields: [HeaderField],
        for client: WebSocketClient,
        _ report: @escaping ConnectReport
    ) throws(WebSocketError) -> Connection

    /// Ends an attempt; tells of it within the call.
    func abort(_ connection: Connection)

    /// Ends an attempt; tells of it with the next wait.
    func abandon(_ connection: Connection)
}

extension HTTPResponse {
    /// The head as the application sees it; fields whose names this type does not take are left out.
    init(_ head: ResponseHead) {
        var fields = HTTPFields()
        for index in 0..<head.fieldCount {
            guard let name = HTTPField.Name(head.name(at: index)) else { continue }
            fields.append(HTTPField(name: name, value: head.value(at: index)))
        }
        self.init(
            status: Status(code: head.status, reasonPhrase: head.reason),
            headerFields: fields
        )
    }
}
