// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

public import ApusCodec

/// What has begun to be sent of a message whose end has not.
enum OpenMessage: UInt8 {
    case none
    /// Frames of ``WebSocketConnection/sendFrame(_:_:isFinal:)``.
    case frames
    /// Pieces of a ``MessageWriter``.
    case writer
}

extension WebSocketConnection {
    // MARK: Frames

    /// Sends one frame as it is, never compressed; a message may be sent in as many as you like.
    ///
    /// Text must be UTF-8 over all of a message's frames: that is for you to see to. A Close frame
    /// is ``close(_:_:)`` with its code and reason. While a message is open no other is sent
    /// (``SendResult/messageOpen``); a frame of its own that finds no room may be sent again.
    ///
    /// Throws ``WebSocketError/invalidFrame(_:)``, and sends nothing, for a frame that may not come
    /// here: a continuation of nothing, another message's frame within a message (RFC 6455 §5.4),
    /// a control frame that is over 125 bytes or not final (§5.5), a bad Close payload (§5.5.1), a
    /// reserved opcode. On a connection that has ended it is ``SendResult/closed`` instead.
    @discardableResult
    public func sendFrame(
        _ opcode: Opcode,
        _ payload: [UInt8],
        isFinal: Bool = true
    ) throws(WebSocketError) -> SendResult {
        guard connected else { return .closed }
        switch opcode {
        case .text, .binary:
            guard openMessage == .none else {
                throw .invalidFrame("a message is open: only its continuations may follow")
            }
        case .continuation:
            guard openMessage == .frames else {
                throw .invalidFrame("a continuation, but no message was begun by frames")
            }
        case .ping, .pong, .close:
            guard isFinal else { throw .invalidFrame("a control frame cannot be fragmented") }
            guard payload.count <= 125 else {
                throw .invalidFrame("a control frame of \(payload.count) bytes: 125 are allowed")
            }
        default:
            throw .invalidFrame("opcode \(opcode.rawValue) is reserved")
        }
        if opcode == .close { return try sendClose(payload) }
        let header = FrameHeader(
            isFinal: isFinal,
            opcode: opcode,
            payloadByteCount: UInt64(payload.count)
        )
        let result = unsafe payload.withUnsafeBytes { unsafe owner.sendFrame(header, $0, on: self) }
        if !opcode.isControl, result.isTaken { openMessage = isFinal ? .none : .frames }
        return result
    }

    private func sendClose(_ payload: [UInt8]) throws(WebSocketError) -> SendResult {
        guard case .payload(let close) = ClosePayload.decode(payload.span, range: payload.indices)
        else { throw .invalidFrame("a Close needs a valid code and a reason in UTF-8, or nothing") }
        owner.close(
            self,
            payload.isEmpty ? nil : close.code,
            reason: String(decoding: payload[close.reasonRange], as: UTF8.self)
        )
        return bufferedAmount == 0 ? .sent : .queued
    }

    /// Begins a message that is written piece by piece.
    ///
    /// Until ``MessageWriter/finish()`` other messages are not sent (``SendResult/messageOpen``);
    /// pings and pongs are. It is compressed where its first piece would be. Throws
    /// ``WebSocketError/invalidFrame(_:)`` where a message is open.
    public func beginMessage(
        _ kind: MessageKind,
        compress: Bool = true
    ) throws(WebSocketError) -> MessageWriter {
        // Whether it has ended is up to the peer as well, so that is for the writer to say.
        guard openMessage == .none || !connected else {
            throw .invalidFrame("a message is open")
        }
        openMessage = .writer
        return MessageWriter(kind, compress: compress, on: self)
    }
}

extension SendResult {
    /// Whether it was sent or will be.
    var isTaken: Bool {
        switch self {
        case .sent, .queued, .displaced: true
        case .dropped, .overLimit, .messageOpen, .closed: false
        }
    }
}
