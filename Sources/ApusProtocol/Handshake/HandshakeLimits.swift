// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// How much of a request head a server, or of a response head a client, reads before it gives up.
///
/// The statuses are those of a server's refusal; a client fails the connection.
/// They count what was received: lines, not distinct names, and bytes before any trimming.
public struct HandshakeLimits: Equatable, Sendable {
    /// The whole head with its line ends, in bytes; more is refused with 431.
    public let headByteCountMax: Int

    /// How many field lines a head may have; more are refused with 431.
    public let fieldCountMax: Int

    /// The target of the request line, in bytes; more is refused with 414.
    ///
    /// A response has none.
    public let targetByteCountMax: Int

    /// One field line without its line end, in bytes; more is refused with 431.
    public let fieldLineByteCountMax: Int

    /// Limits that every browser and proxy stays well below.
    public init(
        headByteCountMax: Int = 16_384,
        fieldCountMax: Int = 100,
        targetByteCountMax: Int = 8_192,
        fieldLineByteCountMax: Int = 8_192
    ) {
        precondition(
            headByteCountMax > 0 && headByteCountMax <= Int(Int32.max),
            "positions in a head are 32 bits wide"
        )
        self.headByteCountMax = headByteCountMax
        self.fieldCountMax = fieldCountMax
        self.targetByteCountMax = targetByteCountMax
        self.fieldLineByteCountMax = fieldLineByteCountMax
    }
}
