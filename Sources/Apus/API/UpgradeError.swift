// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

public import ApusProtocol

/// A request for a WebSocket that was refused before the application was asked.
public struct UpgradeError: Error, Hashable, Sendable {
    /// The client's address without the port, as far as is known; empty for a Unix socket.
    public let remoteAddress: String

    /// The status of the answer.
    public let status: Int

    /// The sentence that the client was told.
    public let reason: String

    /// The rule that the request breaks; nil where the origin is not welcome, or there is no handler.
    public let violation: HandshakeViolation?
}
