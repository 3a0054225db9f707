// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

public import ApusCodec
import ApusProtocol
import ApusTLS

/// The pong that answers a ping by itself.
public struct AutomaticPong: Sendable {
    /// Whether ``cancel()`` was called.
    public private(set) var isCanceled = false

    init() {}

    /// No pong goes out for this ping.
    public mutating func cancel() {
        isCanceled = true
    }
}

/// An open WebSocket connection.
///
/// Its handlers run on the worker's loop, one at a time, in the order in which things happened. An
/// error that a handler throws closes the connection with 1011.
@WorkerActor
public final class WebSocketConnection {
    // A server has many that are idle, so the order and the size of these count.

    /// The descriptor; -1 while there is none, before a connect and between two.
    var socket: Int32
    let slot: UInt32
    let generation: UInt32

    /// Where it stands among the server's connections.
    private var shortIndex: Int32 = -1
    private var address = PackedAddress.none

    var stage = Stage.opening
    var pauses = ReadPauses()
    /// The operations in flight; the descriptor outlives them all.
    var operationCount: UInt8 = 0
    private var receiving = Receiving.no
    var quiet = Quiet.no
    /// The turn in which bytes came last.
    var fedTurn: UInt8 = 0
    var isAwaitingWritable = false
    /// Whether output had to wait since the application was last told that all has gone out.
    var hasWaited = false
    var peerHasEnded = false
    /// Whether the connection is on the list of those to flush this turn.
    var isDirty = false
    /// Whether it has become a WebSocket.
    private(set) var hasOpened = false
    /// What has begun to be sent of a message whose end has not.
    var openMessage = OpenMessage.none

    private enum Receiving {
        case no, armed, canceling
    }

    /// Bytes that wait to be sent.
    let output = Pinned(OutputQueue())
    let machine: Pinned<ConnectionStateMachine>

    let context: ConnectionContext
    var extras: ConnectionExtras?
    private(set) var names: PeerNames?

    /// What the application wants to hear of; the rest is among the extras.
    struct Handlers {
        var message: (@WorkerActor (borrowing WebSocketMessage) throws -> Void)?
        var close: (@WorkerActor (CloseCode, String) throws -> Void)?
    }

    /// Nil once the connection is over: they are let go with whatever they hold, which may be the
    /// connection itself, and none is taken any more.
    var handlers: Handlers? = Handlers() {
        didSet { context.owner.handlersChanged() }
    }

    /// A connection that was accepted, or that we open where there is no socket yet.
    init(socket: Int32, slot: UInt32, generation: UInt32, context: ConnectionContext, now: Instant)
    {
        self.socket = socket
        self.slot = slot
        self.generation = generation
        self.context = context
        machine = Pinned(
            ConnectionStateMachine(
                role: context.role,
                configuration: context.configuration,
                openedAt: now
            )
        )
    }

    /// From here on it is a WebSocket.
    func opened(by server: WebSocketServer?, protocol subprotocol: String?, at now: Instant) {
        stage = .open
        hasOpened = true
        machine.value.peerMadeProgress(at: now)
        names = context.names(
            remoteAddress: names?.remoteAddress,
            protocol: subprotocol
        )
        if server !== context.server { withExtras { $0.server = server } }
    }

    /// The peer's address without the port; empty for a Unix socket.
    public internal(set) var remoteAddress: String {
        get { names?.remoteAddress ?? address.description }
        set {
            let packed = PackedAddress(newValue)
            address = packed ?? .none
            names = context.names(
                remoteAddress: packed == nil ? newValue : nil,
                protocol: names?.protocol
            )
        }
    }

    /// The subprotocol that was accepted, or that the server selected; nil for none.
    public var `protocol`: String? { names?.protocol }

    /// The extensions in use, as the handshake names them: permessage-deflate with its parameters,
    /// or nothing.
    public var extensions: String { machine.value.deflate?.field ?? "" }

    /// Whether it is spoken in TLS.
    public var isSecure: Bool { context.isSecure }

    /// The certificate that the peer has shown, a server in TLS always; nil without one, and once the
    /// connection is over.
    public var peerCertificate: PeerCertificate? { tls?.peerCertificate.map(PeerCertificate.init) }

    /// Where it stands among the server's connections; -1 for nowhere.
    var index: Int {
        get { Int(shortIndex) }
        set { shortIndex = Int32(newValue) }
    }

    /// Whether an operation is in flight that brings bytes, or tells of them.
    var isReceiving: Bool {
        get { receiving != .no }
        set { receiving = newValue ? .armed : .no }
    }

    /// Whether that is asked to end.
    var isCancelingReceive: Bool {
        get { receiving == .canceling }
        set {
            if newValue {
                receiving = .canceling
            } else if receiving == .canceling {
                receiving = .armed
            }
        }
    }

    var owner: any WebSocketOwner { context.owner }

    // MARK: Handlers

    // Those of a connection that is over already are not kept, and never called.

    /// Called with every message; it is borrowed until the handler returns.
    ///
    /// Not called where ``ServerConfiguration/assembleFragments`` is false. Where an asynchronous
    /// request handler sets it after it has waited, or after it has read some ``messages``, it is
    /// called at once with what came meanwhile, or after ``resume()`` where it pauses.
    public func onMessage(
        _ handler: @escaping @WorkerActor (borrowing WebSocketMessage) throws -> Void
    ) {
        handlers?.message = handler
        stream?.handOver()
    }

    /// Called with the parts of messages as they come, borrowed until the handler returns.
    ///
    /// Only where ``ServerConfiguration/assembleFragments`` is false. A message whose connection
    /// ends within it has no last part.
    public func onFrame(
        _ handler: @escaping @WorkerActor (borrowing WebSocketFramePart) throws -> Void
    ) {
        setExtraHandler { $0.frameHandler = handler }
        stream?.handOverParts()
    }

    /// Called once when the connection is over, with the code and reason that ended it.
    ///
    /// Set it before anything is sent: a connection may turn out to be over then.
    /// The peer's code as it was sent; 1005 for a Close without one; 1006 where none came; ours
    /// where we failed the connection (RFC 6455 §7.1.5 and §7.1.6).
    public func onClose(_ handler: @escaping @WorkerActor (CloseCode, String) throws -> Void) {
        handlers?.close = handler
    }

    /// Called with the payload of every ping; the pong goes out by itself when it returns.
    public func onPing(_ handler: @escaping @WorkerActor ([UInt8]) throws -> Void) {
        onPing { payload, _ in try handler(payload) }
    }

    /// Called with the payload of every ping and the pong that goes out by itself when it returns,
    /// unless it is canceled: then answering is up to you.
    ///
    /// RFC 6455 §5.5.2 wants an answer as soon as is practical, to this ping or to a later one.
    public func onPing(
        _ handler: @escaping @WorkerActor ([UInt8], inout AutomaticPong) throws -> Void
    ) {
        setExtraHandler { $0.pingHandler = handler }
    }

    /// Called with the payload of every pong.
    public func onPong(_ handler: @escaping @WorkerActor ([UInt8]) throws -> Void) {
        setExtraHandler { $0.pongHandler = handler }
    }

    /// Called when everything that had to wait for a slow peer has gone out.
    public func onDrain(_ handler: @escaping @WorkerActor () throws -> Void) {
        setExtraHandler { $0.drainHandler = handler }
    }

    // MARK: Receiving

    /// Receives nothing more until ``resume()``: no handler is called for what the peer sends.
    ///
    /// What has come already is kept in order, at most what one or two receives brought, and TCP
    /// makes the peer wait. Its pings are not answered and its Close is not seen meanwhile.
    /// Keepalive does not drop a paused connection, so a peer that vanishes is noticed after
    /// ``resume()`` only, or by what is sent to it: should the kernel say that the connection is
    /// broken, it ends with 1006 and what was kept is lost. ``close()`` resumes, since the peer's
    /// Close is awaited, but no message is received any more.
    public func pause() {
        owner.pause(self, for: .application)
    }

    /// Goes on where ``pause()`` stopped; before the worker's next wait, not within this call.
    public func resume() {
        owner.resume(self, from: .application)
    }

    /// Whether ``pause()`` holds.
    public var isPaused: Bool { transport?.pauses.contains(.application) ?? false }

    // MARK: Closing

    /// Closes with 1000: what was sent before goes out first, and the peer's Close is awaited.
    public func close() {
        owner.close(self, .normalClosure, reason: "")
    }

    /// Closes with a code and a reason; of a reason over 123 bytes, the characters that fit.
    ///
    /// Throws ``WebSocketError/invalidCloseCode(_:)`` for a code that may not be on the wire. Nothing
    /// happens if the connection is closing already.
    public func close(_ code: CloseCode, _ reason: String = "") throws(WebSocketError) {
        guard code.isValidOnTheWire else { throw .invalidCloseCode(code.rawValue) }
        owner.close(self, code, reason: reason)
    }

    /// Drops the connection at once: no Close frame, nothing more is sent; reported as 1006.
    public func drop() {
        owner.drop(self, reason: "dropped")
    }

    /// Whether messages can be sent: neither side has closed.
    public var connected: Bool { machine.value.isOpen }

    /// The code that the connection ended with; nil until it has.
    public var closeReasonCode: CloseCode? { machine.value.closeOutcome?.code }

    /// The reason that the connection ended with; nil until it has.
    public var closeDescription: String? { machine.value.closeOutcome?.reason }

    // MARK: For the driver

    private func setExtraHandler(_ change: (ConnectionExtras) -> Void) {
        if handlers != nil { withExtras(change) }
    }

    /// Feeds the machine; the rest of a message that has begun goes where its beginning is.
    func receive(
        _ bytes: inout MutableSpan<UInt8>,
        from position: inout Int,
        into batch: inout ReceivedBatch,
        at now: Instant
    ) {
        if let extras, !extras.assembly.isEmpty, extras.contexts?.message?.inflater == nil {
            extras.assembly.withRoom { room in
                machine.value.receive(
                    &bytes,
                    from: &position,
                    into: &batch,
                    continuingIn: &room,
                    at: now
                )
            }
            return
        }
        machine.value.receive(&bytes, from: &position, into: &batch, at: now)
    }
}

/// What a connection asks of the worker that it belongs to.
@WorkerActor
protocol WebSocketOwner: AnyObject {
    /// What a connection wants to hear of is another thing than before.
    func handlersChanged()

    func send(
        _ opcode: Opcode,
        _ payload: UnsafeRawBufferPointer,
        compress: Bool,
        on webSocket: WebSocketConnection
    ) -> SendResult

    func send(
        _ opcode: Opcode,
        _ payload: UnsafeRawBufferPointer,
        key: AnyHashable,
        compress: Bool,
        on webSocket: WebSocketConnection
    ) -> SendResult

    func sendFrame(
        _ header: FrameHeader,
        _ payload: UnsafeRawBufferPointer,
        on webSocket: WebSocketConnection
    ) -> SendResult

    /// Whether so large a message is compressed on the connection, unless it is not to be.
    func isCompressed(_ byteCount: Int, on webSocket: WebSocketConnection) -> Bool

    func withCompressed(
        _ piece: UnsafeRawBufferPointer,
        for webSocket: WebSocketConnection,
        _ body: (UnsafeRawBufferPointer) -> SendResult
    ) -> SendResult

    func close(_ webSocket: WebSocketConnection, _ code: CloseCode?, reason: String)

    func drop(_ webSocket: WebSocketConnection, reason: String)

    func flush(_ webSocket: WebSocketConnection)

    func deliver(_ message: ReceivedMessage, to webSocket: WebSocketConnection)

    func pause(_ webSocket: WebSocketConnection, for reason: Connection.ReadPauses)

    func resume(_ webSocket: WebSocketConnection, from reasons: Connection.ReadPauses)
}
