// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusTLS

/// What a connection has at times, or what few have: the others need no room for it.
@WorkerActor
final class ConnectionExtras {
    /// What it has while it speaks HTTP.
    var opening: Opening?
    /// What it has where we connect, until the descriptor is closed; nil where it was accepted.
    var attempt: ConnectAttempt?
    /// Its TLS, from the first bytes on until the descriptor is closed; nil where it is plain.
    var tls: TLSSession?
    /// What came while the application had paused.
    var held: HeldInput?
    /// A message that has come in part.
    var assembly = MessageAssembly()
    /// What is kept of messages that are compressed.
    var contexts: MessageContexts?
    /// What it has for tasks; nil where no task has to do with it.
    var stream: MessageStream?
    /// What the application keeps with it.
    var values: [ObjectIdentifier: Any] = [:]
    /// The server that accepted it, where another is mounted by now.
    var server: WebSocketServer?

    // Handlers besides those for messages and the end.
    var frameHandler: (@WorkerActor (borrowing WebSocketFramePart) throws -> Void)?
    var drainHandler: (@WorkerActor () throws -> Void)?
    var pingHandler: (@WorkerActor ([UInt8], inout AutomaticPong) throws -> Void)?
    var pongHandler: (@WorkerActor ([UInt8]) throws -> Void)?

    /// Whether there is nothing in it.
    var isEmpty: Bool {
        opening == nil && attempt == nil && tls == nil && held == nil && assembly.capacity == 0
            && stream == nil && contexts == nil
            && values.isEmpty && server == nil && frameHandler == nil && drainHandler == nil
            && pingHandler == nil && pongHandler == nil
    }

    func dropHandlers() {
        frameHandler = nil
        drainHandler = nil
        pingHandler = nil
        pongHandler = nil
    }
}

extension Connection {
    var opening: Opening? {
        get { extras?.opening }
        set { setExtra(newValue) { $0.opening = $1 } }
    }

    var attempt: ConnectAttempt? {
        get { extras?.attempt }
        set { setExtra(newValue) { $0.attempt = $1 } }
    }

    var tls: TLSSession? {
        get { extras?.tls }
        set { setExtra(newValue) { $0.tls = $1 } }
    }

    var held: HeldInput? {
        get { extras?.held }
        set { setExtra(newValue) { $0.held = $1 } }
    }

    var stream: MessageStream? {
        get { extras?.stream }
        set { setExtra(newValue) { $0.stream = $1 } }
    }

    /// The server that accepted it; nil where a client opened it.
    var server: WebSocketServer? { extras?.server ?? context.server }

    /// Whether a message has come in part.
    var isAssembling: Bool { assemblyByteCount > 0 || extras?.contexts?.message != nil }

    /// How much has come of it, and is put together.
    var assemblyByteCount: Int { extras?.assembly.byteCount ?? 0 }

    func takeAssembly() -> MessageAssembly {
        var taken = MessageAssembly()
        if let extras {
            swap(&taken, &extras.assembly)
            if extras.isEmpty { self.extras = nil }
        }
        return taken
    }

    /// What it has of its own; made where there is nothing yet.
    func withExtras<Result>(_ body: (ConnectionExtras) -> Result) -> Result {
        let extras = extras ?? ConnectionExtras()
        self.extras = extras
        return body(extras)
    }

    /// What is nil takes no room, and with the last of it all of its room goes.
    func setExtra<Value>(_ value: Value?, _ set: (ConnectionExtras, Value?) -> Void) {
        guard value != nil || extras != nil else { return }
        withExtras { set($0, value) }
        if value == nil, extras?.isEmpty == true { extras = nil }
    }
}
