// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

public import ApusCodec

/// A message as its handler sees it: valid text, or bytes, borrowed until the handler returns.
///
/// It cannot be kept; keep what ``utf8Data`` or ``binaryData`` make of it.
@safe
public struct WebSocketMessage: ~Copyable {
    private let memory: UnsafeRawBufferPointer

    /// Text or binary.
    public let kind: MessageKind

    init(kind: MessageKind, borrowing memory: UnsafeRawBufferPointer) {
        self.kind = kind
        unsafe self.memory = unsafe memory
    }

    /// How many bytes it has.
    public var byteCount: Int { unsafe memory.count }

    /// A copy of the text; nil for a binary message.
    public var utf8Data: String? {
        guard kind == .text else { return nil }
        return unsafe String(decoding: memory, as: UTF8.self)
    }

    /// A copy of the bytes; nil for a text message.
    public var binaryData: [UInt8]? {
        guard kind == .binary else { return nil }
        return unsafe [UInt8](memory)
    }

    /// Calls `body` with the bytes themselves, of either kind, without a copy.
    public func withBytes<Result, Failure: Error>(
        _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(unsafe Span(_unsafeBytes: memory))
    }

    var bytes: UnsafeRawBufferPointer { unsafe memory }
}
