// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// What a frame is, RFC 6455 §5.2.
public struct Opcode: RawRepresentable, Hashable, Sendable {
    /// The four bits on the wire.
    public let rawValue: UInt8

    /// The opcode with these four bits, whether or not RFC 6455 defines it.
    public init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// A later frame of a fragmented message.
    public static let continuation = Opcode(rawValue: 0x0)
    /// The first or only frame of a text message.
    public static let text = Opcode(rawValue: 0x1)
    /// The first or only frame of a binary message.
    public static let binary = Opcode(rawValue: 0x2)
    /// The last frame that an endpoint sends.
    public static let close = Opcode(rawValue: 0x8)
    /// A frame that the peer answers with a pong.
    public static let ping = Opcode(rawValue: 0x9)
    /// The answer to a ping, or a sign of life that nobody asked for.
    public static let pong = Opcode(rawValue: 0xA)

    /// Whether frames of this kind may come between the fragments of a message, RFC 6455 §5.5.
    public var isControl: Bool { rawValue & 0x8 != 0 }
}
