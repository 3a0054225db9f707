// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

public import ApusCodec
import ApusProtocol

/// A received message of its own: what ``WebSocketMessage`` lends, kept.
public struct ReceivedMessage: Hashable, Sendable {
    /// Text or binary.
    public let kind: MessageKind

    /// The bytes, of either kind; of text they are valid UTF-8.
    public let bytes: [UInt8]

    /// A copy of a message that is borrowed.
    public init(_ message: borrowing WebSocketMessage) {
        kind = message.kind
        bytes = unsafe [UInt8](message.bytes)
    }

    /// How many bytes it has.
    public var byteCount: Int { bytes.count }

    /// The text; nil for a binary message.
    public var utf8Data: String? {
        kind == .text ? String(decoding: bytes, as: UTF8.self) : nil
    }

    /// The bytes; nil for a text message.
    public var binaryData: [UInt8]? { kind == .binary ? bytes : nil }
}

/// A connection ended otherwise than by a proper close: what reading its messages throws in the end.
public struct WebSocketClosed: Error, Hashable, Sendable {
    /// The code that the connection ended with, as ``WebSocketConnection/closeReasonCode``.
    public let code: CloseCode

    /// The reason that the connection ended with.
    public let reason: String

    /// Nil for the codes of a proper close.
    init?(_ outcome: ConnectionOutcome) {
        switch outcome.code {
        case .normalClosure, .goingAway, .noStatusReceived: return nil
        default: (code, reason) = (outcome.code, outcome.reason)
        }
    }
}

extension WebSocketClosed: CustomStringConvertible {
    /// The code, and the reason if there is one.
    public var description: String {
        "the connection ended with \(code.rawValue)" + (reason.isEmpty ? "" : ": \(reason)")
    }
}

extension WebSocketConnection {
    /// The messages of a connection, read by a task.
    ///
    /// Every message is an element once, in order, whichever task reads it; one task reads at a time.
    public struct Messages: @WorkerActor AsyncSequence {
        let connection: WebSocketConnection
        let stream: MessageStream

        /// Reads from where the last iterator stopped.
        @WorkerActor
        public func makeAsyncIterator() -> Iterator {
            Iterator(connection: connection, stream: stream)
        }

        /// Reads the messages of a connection.
        public struct Iterator: @WorkerActor AsyncIteratorProtocol {
            /// Its stream does not keep it.
            let connection: WebSocketConnection
            let stream: MessageStream

            /// The next message; nil when the connection was closed with 1000, 1001 or no code.
            ///
            /// Throws ``WebSocketClosed`` for any other end, after the last message, and
            /// `CancellationError` where the task is canceled while the connection goes on: then no
            /// message is lost, and another task may read on.
            @WorkerActor
            public mutating func next() async throws -> ReceivedMessage? {
                // Most are there already, and cost no second call that may wait.
                if let message = stream.takeFirst() { return message }
                return try await stream.next()
            }
        }
    }

    /// The messages, in order, from now on; `onMessage` gets none of them.
    ///
    /// ```swift
    /// server.onRequest { request async throws in
    ///     let connection = try request.accept()
    ///     for try await message in connection.messages { connection.send(message) }
    /// }
    /// ```
    /// Reading runs on the worker's loop, without a hop. Of messages that nobody has read yet 256 KiB
    /// are kept, counted with 64 bytes besides each; with more the connection is not read from, so
    /// that TCP makes the peer wait. Not for connections whose
    /// ``ServerConfiguration/assembleFragments`` is false: they have no messages.
    public var messages: Messages {
        let stream = streamForTasks()
        stream.read()
        return Messages(connection: self, stream: stream)
    }

    /// Sends a message that was received, on this or on another connection, as it is.
    @discardableResult
    public func send(_ message: ReceivedMessage, compress: Bool = true) -> SendResult {
        let opcode = message.kind == .text ? Opcode.text : .binary
        return unsafe message.bytes.withUnsafeBytes {
            unsafe owner.send(opcode, $0, compress: compress, on: self)
        }
    }

    /// Waits until everything that had to wait for a slow peer has gone out, or the connection is
    /// over; throws `CancellationError` where the task is canceled before.
    public func drained() async throws {
        guard bufferedAmount > 0 else { return }
        try await streamForTasks().waitUntilDrained()
    }

    /// The stream, made for the first task that asks; it may be late.
    private func streamForTasks() -> MessageStream {
        if let stream { return stream }
        let stream = MessageStream(of: self)
        self.stream = stream
        if handlers == nil, let outcome = machine.value.closeOutcome { stream.finish(outcome) }
        return stream
    }
}
