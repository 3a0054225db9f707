// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec

/// What became of a message that was given to be sent.
public enum SendResult: Hashable, Sendable {
    /// It is with the kernel, or will be at the end of this turn.
    case sent

    /// The peer reads slower than is sent: it waits, see ``WebSocketConnection/bufferedAmount``.
    case queued

    /// It waits, and messages that waited before it were dropped for it, see
    /// ``SlowConsumerPolicy``.
    case displaced

    /// More would wait than the limit allows: it is dropped, see ``SlowConsumerPolicy``.
    case dropped

    /// More would wait than the limit allows: it is lost, and the connection closes with 1008.
    case overLimit

    /// A fragmented message was begun and not finished: it is not sent, since nothing of another
    /// message may come between, RFC 6455 §5.4.
    case messageOpen

    /// The connection is closing or closed: it is lost.
    case closed
}

extension WebSocketConnection {
    // MARK: Messages

    // Where compression was agreed on, messages from its threshold on are compressed unless
    // `compress` is false: secrets beside what others choose had better not be.

    /// Sends a text message.
    @discardableResult
    public func sendUTF(_ text: String, compress: Bool = true) -> SendResult {
        var text = text
        return text.withUTF8 {
            unsafe context.send(.text, UnsafeRawBufferPointer($0), compress: compress, on: self)
        }
    }

    /// Sends a binary message.
    @discardableResult
    public func sendBytes(_ bytes: [UInt8], compress: Bool = true) -> SendResult {
        unsafe bytes.withUnsafeBytes {
            unsafe context.send(.binary, $0, compress: compress, on: self)
        }
    }

    /// Sends a binary message; the bytes are borrowed for the call.
    @discardableResult
    public func sendBytes(_ bytes: Span<UInt8>, compress: Bool = true) -> SendResult {
        unsafe bytes.withUnsafeBytes {
            unsafe context.send(.binary, $0, compress: compress, on: self)
        }
    }

    /// Sends a message that was received, on this or on another connection, as it is.
    @discardableResult
    public func send(
        _ message: borrowing WebSocketMessage,
        compress: Bool = true
    ) -> SendResult {
        let opcode = message.kind == .text ? Opcode.text : .binary
        return unsafe context.send(opcode, message.bytes, compress: compress, on: self)
    }

    // MARK: Messages with a key

    /// Sends a text message; one with the same key that waits for a slow peer is dropped for it.
    ///
    /// The key counts with ``SlowConsumerPolicy/keepLatest`` alone.
    @discardableResult
    public func sendUTF(
        _ text: String,
        key: some Hashable,
        compress: Bool = true
    ) -> SendResult {
        var text = text
        return text.withUTF8 {
            unsafe owner.send(
                .text,
                UnsafeRawBufferPointer($0),
                key: AnyHashable(key),
                compress: compress,
                on: self
            )
        }
    }

    /// Sends a binary message; one with the same key that waits for a slow peer is dropped for it.
    ///
    /// The key counts with ``SlowConsumerPolicy/keepLatest`` alone.
    @discardableResult
    public func sendBytes(
        _ bytes: [UInt8],
        key: some Hashable,
        compress: Bool = true
    ) -> SendResult {
        unsafe bytes.withUnsafeBytes {
            unsafe owner.send(
                .binary,
                $0,
                key: AnyHashable(key),
                compress: compress,
                on: self
            )
        }
    }

    /// Sends a message that was received; one with the same key that waits for a slow peer is
    /// dropped for it.
    ///
    /// The key counts with ``SlowConsumerPolicy/keepLatest`` alone.
    @discardableResult
    public func send(
        _ message: borrowing WebSocketMessage,
        key: some Hashable,
        compress: Bool = true
    ) -> SendResult {
        let opcode = message.kind == .text ? Opcode.text : .binary
        return unsafe owner.send(
            opcode,
            message.bytes,
            key: AnyHashable(key),
            compress: compress,
            on: self
        )
    }

    // MARK: Control frames

    /// Sends a ping with at most 125 bytes; of more, the first 125.
    @discardableResult
    public func ping(_ payload: [UInt8] = []) -> SendResult {
        unsafe payload.prefix(125).withUnsafeBytes { unsafe context.send(.ping, $0, on: self) }
    }

    /// Sends an unsolicited pong, RFC 6455 §5.5.3, with at most 125 bytes; of more, the first 125.
    @discardableResult
    public func pong(_ payload: [UInt8] = []) -> SendResult {
        unsafe payload.prefix(125).withUnsafeBytes { unsafe context.send(.pong, $0, on: self) }
    }

    /// How many bytes wait because the peer has not read what was sent before.
    public var bufferedAmount: Int { transport?.output.value.byteCount ?? 0 }
}
