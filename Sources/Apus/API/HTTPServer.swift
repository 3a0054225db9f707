// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

public import HTTPTypes
import ApusProtocol
import Synchronization

/// A port, or a Unix socket, that HTTP/1.1 requests come to.
///
/// Upgrade requests go to the ``WebSocketServer`` that is mounted on it; ordinary ones to the
/// handler of `onRequest`, and without one they get 426. A connection serves one
/// request after the other, answers in their order, until the client wants no more of it, a request
/// is malformed, or ``ServerConfiguration/httpKeepAliveTimeout`` is over.
///
/// Set it up before ``WebSocketServer/run(workers:whenListening:)``; what is changed in a worker is
/// changed in that worker alone.
public final class HTTPServer: Sendable {
    /// Where a server listens.
    public enum Endpoint: Hashable, Sendable {
        /// A literal IPv4 or IPv6 address or a host name, and a port; 0: any free port.
        case tcp(host: String, port: UInt16)

        /// The path of a Unix socket, at most 107 bytes.
        case unix(path: String)
    }

    /// Who answers an ordinary request.
    enum Handler {
        case atOnce(@WorkerActor (HTTPServerRequest) throws -> HTTPAnswer)
        case later(@WorkerActor (HTTPServerRequest) async throws -> HTTPAnswer)
        /// Nobody: the answer is this one, whatever the body.
        case refusal(Refusal)
    }

    private struct State {
        var handler = Handler.refusal(.upgradeRequired)
        var methods: [HTTPRequest.Method] = [.get, .head]
        var webSocketServer: WebSocketServer?
    }

    /// Where this server listens.
    public let endpoint: Endpoint

    /// How it speaks TLS; nil: it does not.
    public let tls: TLSConfiguration?

    private let state = Mutex(State())

    /// A server at that endpoint; with TLS it serves `https` and `wss`.
    ///
    /// Files are read by ``WebSocketServer/run(workers:whenListening:)``.
    public init(endpoint: Endpoint, tls: TLSConfiguration? = nil) {
        self.endpoint = endpoint
        self.tls = tls
    }

    /// A server at a TCP port; port 0: any free one.
    public convenience init(
        host: String = "127.0.0.1",
        port: UInt16,
        tls: TLSConfiguration? = nil
    ) {
        self.init(endpoint: .tcp(host: host, port: port), tls: tls)
    }

    /// A server at a Unix socket.
    public convenience init(unixPath: String) {
        self.init(endpoint: .unix(path: unixPath))
    }

    /// Answers ordinary requests that have one of `methods`; GET includes HEAD.
    ///
    /// Others are answered with 405, or 501 where the method is no known one, before the handler is
    /// asked; it is asked once the whole body has come. An error that it throws is answered with its
    /// own status (``HTTPStatusError``), or with 500, logged and counted. One handler is kept: the
    /// last.
    public func onRequest(
        methods: [HTTPRequest.Method] = [.get],
        _ handler: @escaping @WorkerActor (HTTPServerRequest) throws -> HTTPAnswer
    ) {
        setHandler(.atOnce(handler), methods)
    }

    /// The same with a handler that may wait, as a task on the worker's loop.
    ///
    /// The request and its answer have ``ServerConfiguration/handshakeTimeout``; then the client gets
    /// a 503. At that time, and as soon as the client is gone, the task is canceled; a client that ends
    /// its side of the connection counts as gone. Requests behind this one wait for its answer.
    public func onRequest(
        methods: [HTTPRequest.Method] = [.get],
        _ handler: @escaping @WorkerActor (HTTPServerRequest) async throws -> HTTPAnswer
    ) {
        setHandler(.later(handler), methods)
    }

    private func setHandler(_ handler: Handler, _ methods: [HTTPRequest.Method]) {
        state.withLock { state in
            state.handler = handler
            state.methods = methods
            if methods.contains(.get), !methods.contains(.head) { state.methods.append(.head) }
        }
    }

    /// Who answers a request with this method.
    func handler(for method: String) -> Handler {
        let (handler, methods) = state.withLock { ($0.handler, $0.methods) }
        guard methods.contains(where: { $0.rawValue == method }) else {
            return .refusal(.methodRefused(method, allowed: methods))
        }
        return handler
    }

    var webSocketServer: WebSocketServer? {
        state.withLock { $0.webSocketServer }
    }

    /// Upgrade requests go to `server` from now on; false, and no change, if they go elsewhere.
    func attach(_ server: WebSocketServer) -> Bool {
        state.withLock { state in
            guard state.webSocketServer == nil || state.webSocketServer === server else {
                return false
            }
            state.webSocketServer = server
            return true
        }
    }

    func detach(_ server: WebSocketServer) {
        state.withLock { state in
            if state.webSocketServer === server { state.webSocketServer = nil }
        }
    }
}
