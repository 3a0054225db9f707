// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

public import ApusCodec
import ApusProtocol
import ApusSupervisor
public import Logging
import Synchronization

/// Accepts WebSocket connections on one or several HTTP servers, in several processes.
///
/// ```swift
/// let http = HTTPServer(port: 3001)
/// let server = WebSocketServer(httpServer: http)
/// server.onRequest { request in
///     let connection = try request.accept(origin: request.origin)
///     connection.onMessage { message in connection.send(message) }
/// }
/// try server.run(workers: 4)
/// ```
/// Set it up in a synchronous `main`, then ``run(workers:whenListening:)`` forks. Handlers run in the
/// workers, on ``WorkerActor``; each worker has its own copy of the server and of all other state.
public final class WebSocketServer: Sendable {
    private struct State {
        var httpServers: [HTTPServer] = []
        var configuration: ServerConfiguration
        var logger = Logger(label: "apus")
        var startHandler: (@WorkerActor (WorkerStart, any WorkerHost) throws -> Void)?
        var requestHandler: (@WorkerActor (WebSocketRequest) throws -> Void)?
        var connectHandler: (@WorkerActor (WebSocketConnection) throws -> Void)?
        var closeHandler: (@WorkerActor (WebSocketConnection, CloseCode, String) throws -> Void)?
        var upgradeErrorHandler: (@WorkerActor (UpgradeError) throws -> Void)?
    }

    private let state: Mutex<State>

    /// The open connections of this worker, in no order.
    @WorkerActor public private(set) var connections: [WebSocketConnection] = []

    /// The requests of this worker that were neither accepted nor rejected yet, in no order.
    @WorkerActor public private(set) var pendingRequests: [WebSocketRequest] = []

    /// The worker that serves; nil before it has a loop.
    @WorkerActor weak var host: (any WorkerHost)?

    /// A server that is mounted on that HTTP server.
    public convenience init(
        httpServer: HTTPServer,
        configuration: ServerConfiguration = ServerConfiguration()
    ) {
        self.init(httpServers: [httpServer], configuration: configuration)
    }

    /// A server that is mounted on those HTTP servers.
    ///
    /// One that has a WebSocket server already is a mistake of the caller, and traps.
    public init(
        httpServers: [HTTPServer],
        configuration: ServerConfiguration = ServerConfiguration()
    ) {
        state = Mutex(State(configuration: configuration))
        for httpServer in httpServers { mount(httpServer) }
    }

    /// Requests to upgrade that come to `httpServer` are this server's from now on.
    ///
    /// An HTTP server with another WebSocket server is a mistake of the caller, and traps: two would
    /// answer the same request.
    public func mount(_ httpServer: HTTPServer) {
        precondition(
            httpServer.attach(self),
            "the HTTP server has a WebSocket server; unmount that one first"
        )
        state.withLock { state in
            if !state.httpServers.contains(where: { $0 === httpServer }) {
                state.httpServers.append(httpServer)
            }
        }
    }

    /// Requests to upgrade that come to `httpServer` get 404; open connections stay.
    public func unmount(_ httpServer: HTTPServer) {
        httpServer.detach(self)
    }

    // MARK: Handlers

    /// Called for every valid request; it accepts or rejects.
    ///
    /// An error that it throws rejects the request, with its own status (``HTTPStatusError``) or 500. Without a handler: 404.
    public func onRequest(_ handler: @escaping @WorkerActor (WebSocketRequest) throws -> Void) {
        state.withLock { $0.requestHandler = handler }
    }

    /// The same for a handler that waits for other things before it decides, or reads messages.
    ///
    /// It runs as a task on the worker's loop: as part of the loop up to where it first waits. The
    /// task is canceled when the client goes before the decision, and when the connection that it
    /// accepted is over. Messages of that connection are kept, as far as
    /// ``WebSocketConnection/messages`` keeps them, until it says who reads them (`messages`,
    /// `onMessage`) or ends; one that wants none says `onMessage { _ in }`. An error that is thrown
    /// after the connection was accepted closes it with 1011. A worker that drains waits for these
    /// tasks as for connections.
    public func onRequest(
        _ handler: @escaping @WorkerActor (WebSocketRequest) async throws -> Void
    ) {
        state.withLock { $0.requestHandler = { request in request.begin(handler) } }
    }

    /// Called for every connection when it opens, before `accept` returns.
    public func onConnect(_ handler: @escaping @WorkerActor (WebSocketConnection) throws -> Void) {
        state.withLock { $0.connectHandler = handler }
    }

    /// Called for every connection when it is over, after the connection's own handler.
    public func onClose(
        _ handler: @escaping @WorkerActor (WebSocketConnection, CloseCode, String) throws -> Void
    ) {
        state.withLock { $0.closeHandler = handler }
    }

    /// Called for every request to upgrade that was refused before `onRequest` was asked.
    ///
    /// It is malformed, its origin is not welcome, or there is no handler; the answer is on its way.
    /// What the handler throws is logged and counted.
    public func onUpgradeError(_ handler: @escaping @WorkerActor (UpgradeError) throws -> Void) {
        state.withLock { $0.upgradeErrorHandler = handler }
    }

    /// Limits, times and queues; read once, by ``run(workers:whenListening:)``.
    public var configuration: ServerConfiguration {
        get { state.withLock { $0.configuration } }
        set { state.withLock { $0.configuration = newValue } }
    }

    /// Where supervisor and workers log.
    public var logger: Logger {
        get { state.withLock { $0.logger } }
        set { state.withLock { $0.logger = newValue } }
    }

    /// Closes all connections of this worker with 1000, and rejects its pending requests with 503.
    @WorkerActor
    public func closeAllConnections() {
        for connection in connections { connection.close() }
        for request in pendingRequests { request.turnAway() }
    }

    func setStartHandler(
        _ handler: @escaping @WorkerActor (WorkerStart, any WorkerHost) throws -> Void
    ) {
        state.withLock { $0.startHandler = handler }
    }

    // MARK: For the driver

    var startHandler: (@WorkerActor (WorkerStart, any WorkerHost) throws -> Void)? {
        state.withLock { $0.startHandler }
    }

    var httpServers: [HTTPServer] { state.withLock { $0.httpServers } }

    var requestHandler: (@WorkerActor (WebSocketRequest) throws -> Void)? {
        state.withLock { $0.requestHandler }
    }

    var connectHandler: (@WorkerActor (WebSocketConnection) throws -> Void)? {
        state.withLock { $0.connectHandler }
    }

    var upgradeErrorHandler: (@WorkerActor (UpgradeError) throws -> Void)? {
        state.withLock { $0.upgradeErrorHandler }
    }

    @WorkerActor
    func asked(_ request: WebSocketRequest) {
        request.server = self
        request.index = pendingRequests.count
        pendingRequests.append(request)
    }

    @WorkerActor
    func left(_ request: WebSocketRequest) {
        let last = pendingRequests.removeLast()
        if last !== request {
            pendingRequests[request.index] = last
            last.index = request.index
        }
        request.index = -1
    }

    @WorkerActor
    func opened(_ webSocket: WebSocketConnection) {
        webSocket.index = connections.count
        connections.append(webSocket)
    }

    var closeHandler: (@WorkerActor (WebSocketConnection, CloseCode, String) throws -> Void)? {
        state.withLock { $0.closeHandler }
    }

    @WorkerActor
    func ended(_ webSocket: WebSocketConnection) {
        // The last one takes its place, so that a mass disconnect stays linear.
        let last = connections.removeLast()
        if last !== webSocket {
            connections[webSocket.index] = last
            last.index = webSocket.index
        }
        webSocket.index = -1
    }
}
