// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol
import Synchronization

/// Hands the requests of a server to handlers by path and subprotocol.
///
/// ```swift
/// let router = WebSocketRouter(server: server)
/// router.mount("/rooms/:room", protocol: "chat") { request in
///     let connection = try request.accept()
///     join(connection, request.parameters["room"])
/// }
/// router.mount("/echo") { request in
///     let connection = try request.accept()
///     connection.onMessage { connection.send($0) }
/// }
/// ```
/// A path is routed segment by segment, each percent-decoded once:
///
/// | pattern          | path                                                               |
/// |------------------|--------------------------------------------------------------------|
/// | `/chat`          | this one; `/chat/` is another, and so is `/Chat`                   |
/// | `/rooms/:room`   | any one segment that is not empty: ``WebSocketRouterRequest/parameters`` |
/// | `/rooms/*/log`   | the same, without a name                                           |
/// | `/files/**`      | all below `/files/`; what follows is the parameter `**`             |
/// | `/**`            | every path                                                         |
///
/// The most specific pattern wins, whatever the order of mounting: at the first segment where two
/// differ, a literal goes before a parameter or `*`, and that before `**`. Among the routes of
/// that path the client's first offer that one of them serves wins. A path without a route gets
/// 404, one whose routes serve nothing that was offered 400.
///
/// So does, before any route is looked for, a path that not every reader understands alike: with
/// `.` or `..` or an empty segment before the last, with a malformed escape, or with one of a slash,
/// a backslash, a control character or of no UTF-8. No parameter is or holds such a thing.
///
/// Mount before ``WebSocketServer/run(workers:whenListening:)``; what is changed in a worker is
/// changed in that worker alone.
public final class WebSocketRouter: Sendable {
    typealias Handler = @WorkerActor (WebSocketRouterRequest) throws -> Void

    private let routes = Mutex(RouteTable<Handler>())

    /// A router that no server asks yet.
    public init() {}

    /// A router that gets the requests of that server.
    public convenience init(server: WebSocketServer) {
        self.init()
        attach(to: server)
    }

    /// Takes the place of the handler that `server` has; several servers may have one router.
    public func attach(to server: WebSocketServer) {
        server.onRequest { request in try self.route(request) }
    }

    /// Leaves `server` with a handler that answers 404, until it is given another one.
    public func detach(from server: WebSocketServer) {
        server.onRequest { _ in throw Unrouted.noRoute }
    }

    /// Requests for a path that the pattern matches, with this subprotocol, go to the handler.
    ///
    /// The subprotocol is compared without regard to case; nil: for clients that offer none; `*`:
    /// whatever they offer first, or none, where no other route of the path has it. An error that
    /// the handler throws rejects the request, as with that of ``WebSocketServer``. Mistakes
    /// of the caller trap: a malformed pattern, a subprotocol that is no token, a path and
    /// subprotocol that has a handler already.
    public func mount(
        _ pattern: String,
        protocol subprotocol: String? = nil,
        _ handler: @escaping @WorkerActor (WebSocketRouterRequest) throws -> Void
    ) {
        let (pattern, subprotocol) = Self.read(pattern, subprotocol)
        let isNew = routes.withLock {
            $0.insert(handler, at: pattern, protocol: subprotocol)
        }
        precondition(isNew, "\(pattern) has a handler for \(subprotocol); unmount that one first")
    }

    /// The same with an asynchronous handler, as with that of ``WebSocketServer``.
    public func mount(
        _ pattern: String,
        protocol subprotocol: String? = nil,
        _ handler: @escaping @WorkerActor (WebSocketRouterRequest) async throws -> Void
    ) {
        let begin: @WorkerActor (WebSocketRouterRequest) throws -> Void = { request in
            request.webSocketRequest.begin { _ in try await handler(request) }
        }
        mount(pattern, protocol: subprotocol, begin)
    }

    /// Takes back what `mount` did; open connections stay.
    ///
    /// A pattern that matches the same paths will do, whatever its parameters are called. One that
    /// is not mounted is a mistake of the caller, and traps.
    public func unmount(_ pattern: String, protocol subprotocol: String? = nil) {
        let (pattern, subprotocol) = Self.read(pattern, subprotocol)
        let wasThere = routes.withLock { $0.remove(pattern, protocol: subprotocol) }
        precondition(wasThere, "\(pattern) has no handler for \(subprotocol)")
    }

    private static func read(
        _ pattern: String,
        _ subprotocol: String?
    ) -> (RoutePattern, RouteProtocol) {
        do {
            let pattern = try RoutePattern(pattern)
            guard let subprotocol = RouteProtocol(subprotocol) else {
                preconditionFailure("\(subprotocol ?? "") is no subprotocol: not a token")
            }
            return (pattern, subprotocol)
        } catch {
            preconditionFailure("\(error)")
        }
    }

    @WorkerActor
    private func route(_ request: WebSocketRequest) throws {
        // The table is let go of before the handler, which may mount and unmount.
        let match = routes.withLock {
            $0.match(path: request.path, offers: request.requestedProtocols)
        }
        switch match {
        case .route(let handler, let subprotocol, let parameters):
            try handler(
                WebSocketRouterRequest(
                    webSocketRequest: request,
                    protocol: subprotocol,
                    parameters: parameters
                )
            )
        case .malformedPath:
            throw Unrouted.ambiguousPath
        case .noRoute:
            throw Unrouted.noRoute
        case .noProtocol(let served):
            throw Unrouted.protocolNotServed(served)
        }
    }
}

/// What a client gets where no handler is asked.
private struct Unrouted: HTTPStatusError {
    let status: Int
    let reason: String

    static let ambiguousPath = Unrouted(
        status: 400,
        reason: "the path has a dot segment, an empty one, or a bad escape"
    )
    static let noRoute = Unrouted(status: 404, reason: "nothing is served at this path")

    static func protocolNotServed(_ served: [RouteProtocol]) -> Unrouted {
        let names = served.map(\.description).joined(separator: " or ")
        return Unrouted(status: 400, reason: "the subprotocol has to be \(names)")
    }
}
