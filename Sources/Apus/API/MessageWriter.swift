// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec

/// Writes one message piece by piece, each as a frame of its own.
///
/// ```swift
/// let writer = try connection.beginMessage(.text)
/// writer.write("as many pieces ")
/// writer.write("as you like")
/// writer.finish()
/// ```
/// A piece that finds no room (see ``SendResult``) is not in the message: write it again when the
/// connection has drained. A writer that is let go before ``finish()`` closes the connection with
/// 1011, since the message can neither be ended nor taken back.
@WorkerActor
public final class MessageWriter {
    private let connection: WebSocketConnection
    private let kind: MessageKind
    private let compress: Bool
    private var hasBegun = false
    private var isCompressed = false
    private var isFinished = false

    init(_ kind: MessageKind, compress: Bool, on connection: WebSocketConnection) {
        self.connection = connection
        self.kind = kind
        self.compress = compress
    }

    deinit {
        guard !isFinished else { return }
        let connection = connection
        if WorkerActor.shared.loop.isCurrent {
            WorkerActor.assumeIsolated { connection.abandonMessage() }
        } else {
            Task { @WorkerActor in connection.abandonMessage() }
        }
    }

    /// Sends a piece of text, in either kind of message.
    @discardableResult
    public func write(_ text: String) -> SendResult {
        var text = text
        return text.withUTF8 { unsafe write(UnsafeRawBufferPointer($0)) }
    }

    /// Sends a piece; of a text message all pieces together must be UTF-8.
    @discardableResult
    public func write(_ bytes: [UInt8]) -> SendResult {
        unsafe bytes.withUnsafeBytes { unsafe write($0) }
    }

    /// Sends a piece; the bytes are borrowed for the call.
    @discardableResult
    public func write(_ bytes: Span<UInt8>) -> SendResult {
        unsafe bytes.withUnsafeBytes { unsafe write($0) }
    }

    /// Ends the message; other messages may be sent then.
    ///
    /// Where even its end finds no room it is not finished: call it again. Nothing can be written
    /// afterwards: ``SendResult/closed``.
    @discardableResult
    public func finish() -> SendResult {
        guard !isCompressed else {
            // The head of an empty block, of which the receiver has the rest, RFC 7692 §7.2.3.6.
            return unsafe [UInt8(0)].withUnsafeBytes { unsafe send($0, isFinal: true) }
        }
        return unsafe send(UnsafeRawBufferPointer(start: nil, count: 0), isFinal: true)
    }

    private func write(_ piece: UnsafeRawBufferPointer) -> SendResult {
        // A frame without payload would only count towards the peer's limit.
        guard piece.count > 0, !isFinished else { return isFinished ? .closed : .sent }
        if !hasBegun {
            isCompressed = compress && connection.owner.isCompressed(piece.count, on: connection)
        }
        guard isCompressed else { return unsafe send(piece, isFinal: false) }
        return unsafe connection.owner.withCompressed(piece, for: connection) {
            unsafe send($0, isFinal: false)
        }
    }

    private func send(_ piece: UnsafeRawBufferPointer, isFinal: Bool) -> SendResult {
        guard !isFinished else { return .closed }
        let first = kind == .text ? Opcode.text : .binary
        let header = FrameHeader(
            isFinal: isFinal,
            reservedBits: isCompressed && !hasBegun ? 0x40 : 0,
            opcode: hasBegun ? .continuation : first,
            payloadByteCount: UInt64(piece.count)
        )
        let result = unsafe connection.owner.sendFrame(header, piece, on: connection)
        if result.isTaken {
            hasBegun = true
            if isFinal {
                isFinished = true
                connection.openMessage = .none
            }
        }
        return result
    }
}

extension WebSocketConnection {
    /// A message was begun that nobody will finish.
    fileprivate func abandonMessage() {
        owner.close(self, .internalError, reason: "a message was not finished")
    }
}
