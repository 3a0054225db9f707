// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

public import ApusProtocol
public import HTTPTypes

/// A client's request for a WebSocket connection, to be accepted or rejected, once.
///
/// All rules of RFC 6455 §4.2.1 hold for it. The decision may be made in the handler or later on the
/// worker's loop, but before the handshake timeout: then the client gets a 503. Whoever decides later
/// hears by ``onClientGone(_:)`` that it need not.
@WorkerActor
public final class WebSocketRequest {
    private let upgrade: UpgradeRequest
    private unowned let owner: any RequestOwner

    /// The connection that it came on, until the decision.
    private(set) var connection: Connection?
    private var isDecided = false
    private var goneHandler: (@WorkerActor () throws -> Void)?

    /// Whose request it is while the application may decide, and where it stands among the others.
    var server: WebSocketServer?
    var index = -1

    /// The task of an asynchronous handler, until that is over or the request is decided.
    private(set) var handlerTask: HandlerTask?

    private let addresses: RemoteAddresses

    init(
        upgrade: UpgradeRequest,
        addresses: RemoteAddresses,
        connection: Connection,
        owner: any RequestOwner
    ) {
        self.upgrade = upgrade
        self.addresses = addresses
        self.connection = connection
        self.owner = owner
        isSecure = connection.context.isSecure
        peerCertificate = connection.peerCertificate
    }

    /// The client's address without the port; empty for a Unix socket.
    ///
    /// That of the peer, or, if the peer is among ``ServerConfiguration/trustedProxies``, the nearest
    /// one before it that is not, as far as the PROXY protocol and
    /// ``ServerConfiguration/forwardedField`` tell. Where a proxy hides it: `unknown`, or an
    /// identifier that begins with `_`.
    public var remoteAddress: String { addresses.client }

    /// The addresses that the request came through, the nearest last: forwarded ones, then the peer.
    ///
    /// Those before ``remoteAddress`` are what the client claims, and may be anything.
    public var remoteAddresses: [String] { addresses.all }

    /// Whether it came by TLS.
    public let isSecure: Bool

    /// The client's certificate, where it was asked for one and showed it.
    public let peerCertificate: PeerCertificate?

    /// The value of the Origin field; nil without one, as from most clients that are not browsers.
    public var origin: String? { upgrade.origin }

    /// The subprotocols that the client offers, in its order and its spelling.
    public var requestedProtocols: [String] { upgrade.requestedProtocols }

    /// The extensions that the client offers.
    public var requestedExtensions: [RequestedExtension] { upgrade.requestedExtensions }

    /// The cookies, as sent: nothing is decoded.
    public var cookies: [Cookie] { upgrade.cookies }

    /// Host and port as the client wrote them.
    public var host: String { upgrade.host }

    /// The request's target as sent: path and query.
    public var resource: String { upgrade.head.target }

    /// The path, neither decoded nor normalised.
    public var path: String { upgrade.path }

    /// What follows the question mark; nil without one.
    public var query: String? { upgrade.query }

    /// The value of Sec-WebSocket-Key.
    public var key: String { upgrade.key }

    /// The protocol version: 13, the only one there is.
    public var webSocketVersion: Int { 13 }

    /// The whole request, as HTTP types.
    public var httpRequest: HTTPRequest { HTTPRequest(upgrade.head, isSecure: isSecure) }

    /// Whether it waits for ``accept(protocol:origin:cookies:fields:)`` or
    /// ``reject(status:reason:fields:body:)``, and somebody waits for that.
    public var isPending: Bool { connection != nil }

    /// Calls the handler once, as soon as nobody waits for the decision any more.
    ///
    /// The client has gone, the handshake timeout is over, or the worker ends; from then on
    /// ``accept(protocol:origin:cookies:fields:)`` throws ``WebSocketError/clientGone``. It is called
    /// at once where that was so before, and never for a request that the application decided. A
    /// client that sends far more than it may before the answer is not read from, so that its end is
    /// seen at the timeout only. One handler is kept: the last. What it throws is logged and counted.
    public func onClientGone(_ handler: @escaping @WorkerActor () throws -> Void) {
        if isPending {
            goneHandler = handler
        } else if !isDecided {
            owner.tellOfEnd(handler)
        }
    }

    /// Runs an asynchronous handler.
    func begin(_ handler: @escaping @WorkerActor (WebSocketRequest) async throws -> Void) {
        let handlerTask = HandlerTask()
        self.handlerTask = handlerTask
        owner.beganTask()
        handlerTask.begin { [self] in
            var failure: (any Error)?
            do {
                try await handler(self)
            } catch {
                failure = error
            }
            owner.endedTask(handlerTask, of: self, failure)
            // Whoever decides now is another.
            self.handlerTask = nil
        }
    }

    /// It is decided: nobody waits for it any more.
    func resolve() {
        isDecided = true
        leave()
    }

    /// Nobody waits for it any more, decided or not; returns who wants to hear that it was not.
    func abandon() -> (@WorkerActor () throws -> Void)? {
        let handler = goneHandler
        handlerTask?.cancel()
        leave()
        return handler
    }

    private func leave() {
        connection = nil
        goneHandler = nil
        handlerTask = nil
        server?.left(self)
        server = nil
    }

    /// Accepts: the 101 goes out, and the connection is open when this returns.
    ///
    /// `subprotocol` has to be one of ``requestedProtocols``, whatever its case, and is sent in the
    /// client's spelling; nil: none. `origin` is sent back in an Origin field, as WebSocket-Node
    /// does. Each of `cookies` is set by a field of its own; `fields` are added to the response.
    /// Throws, and the request stays pending, where the response would be against the protocol or
    /// sets a cookie twice; throws ``WebSocketError/clientGone`` where nobody is left to accept.
    /// Nothing that a client sends makes an offered subprotocol, or its origin, a mistake.
    @discardableResult
    public func accept(
        protocol subprotocol: String? = nil,
        origin: String? = nil,
        cookies: [SetCookie] = [],
        fields: HTTPFields = [:]
    ) throws(WebSocketError) -> WebSocketConnection {
        guard !isDecided else { throw .alreadyDecided }
        guard isPending else { throw .clientGone }
        var added = fields.map { HeaderField($0.name.rawName, $0.value) }
        if let origin { added.append(HeaderField("Origin", origin)) }
        let answer = owner.answer(to: self)
        let response: [UInt8]
        do {
            response = try upgrade.acceptance(
                protocol: subprotocol,
                extensions: answer?.field,
                cookies: cookies,
                fields: added
            )
        } catch {
            throw .invalidResponse("\(error)")
        }
        return try owner.accept(
            self,
            response: response,
            protocol: subprotocol.flatMap(upgrade.offer(of:)),
            deflate: answer?.agreement
        )
    }

    /// Rejects: the client gets the status and a body, and the connection ends.
    ///
    /// Without `body` that is the reason, as `text/plain`; with one, the reason is for the log.
    /// Throws, and the request stays pending, for a status that is not final (200 to 599) or a bad
    /// field. A client that has gone is no error.
    public func reject(
        status: Int = 403,
        reason: String = "forbidden",
        fields: HTTPFields = [:],
        body: ResponseBody? = nil
    ) throws(WebSocketError) {
        guard !isDecided else { throw .alreadyDecided }
        let refusal: Refusal
        do {
            refusal = try Refusal(
                status: status,
                reason: reason,
                fields: fields.map { HeaderField($0.name.rawName, $0.value) },
                body: body
            )
        } catch {
            throw .invalidResponse("\(error)")
        }
        isDecided = true
        owner.reject(self, with: refusal)
    }

    /// Rejects because the application closes all that it has.
    func turnAway() {
        handlerTask?.cancel()
        owner.reject(self, with: .unavailable(reason: "no more connections here for now"))
    }
}

/// What a request asks of the worker that it came to.
@WorkerActor
protocol RequestOwner: AnyObject {
    /// What is answered to the client's offers of compression; nil: nothing.
    func answer(to request: WebSocketRequest) -> (field: String, agreement: DeflateAgreement)?

    func accept(
        _ request: WebSocketRequest,
        response: [UInt8],
        protocol subprotocol: String?,
        deflate agreement: DeflateAgreement?
    ) throws(WebSocketError) -> WebSocketConnection

    func reject(_ request: WebSocketRequest, with refusal: Refusal)

    func tellOfEnd(_ handler: @WorkerActor () throws -> Void)

    func beganTask()

    func endedTask(_ task: HandlerTask, of request: WebSocketRequest, _ error: (any Error)?)
}
