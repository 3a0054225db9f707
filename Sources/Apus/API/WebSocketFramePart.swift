// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

public import ApusCodec

/// What has come of a frame of a message, borrowed until its handler returns.
///
/// Frames come in as many parts as the network makes of them; a message may come in many frames.
@safe
public struct WebSocketFramePart: ~Copyable {
    private let memory: UnsafeRawBufferPointer

    /// Whether the message is text or binary.
    ///
    /// Text is valid UTF-8 up to here; a part may end within a character, and the next one goes on.
    public let kind: MessageKind

    /// Whether nothing of this message came before.
    public let isFirst: Bool

    /// Whether the message ends here; if it is the first part too, it is whole.
    public let isLast: Bool

    /// How many bytes of the current frame are still to come; 0: the frame ends here.
    public let remainingByteCount: Int

    init(_ part: MessagePart, borrowing memory: UnsafeRawBufferPointer) {
        unsafe self.memory = unsafe memory
        kind = part.kind
        isFirst = part.isFirst
        isLast = part.isLast
        remainingByteCount = part.remainingByteCount
    }

    /// How many bytes it has; only the last part of a message may have none.
    public var byteCount: Int { unsafe memory.count }

    /// A copy of the bytes.
    public var bytes: [UInt8] { unsafe [UInt8](memory) }

    /// Calls `body` with the bytes themselves, without a copy.
    public func withBytes<Result, Failure: Error>(
        _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(unsafe Span(_unsafeBytes: memory))
    }
}
