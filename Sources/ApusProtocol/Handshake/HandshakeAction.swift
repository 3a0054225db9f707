// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// What the caller of a ``HandshakeStateMachine`` does next.
public enum HandshakeAction: Equatable, Sendable {
    /// Nothing until more bytes come, or the deadline.
    case needMoreBytes

    /// Answer an ordinary HTTP request.
    ///
    /// `consumed` bytes of this call's span belong to the head; what follows them is the body.
    case request(RequestHead, consumed: Int)

    /// Accept or refuse a WebSocket handshake.
    ///
    /// `consumed` bytes of this call's span belong to the head; what follows them are the client's
    /// first frames, to be read as such only once the handshake is accepted.
    case upgrade(UpgradeRequest, consumed: Int)

    /// Send the refusal and close; whatever else the client sent is ignored.
    case refuse(Refusal)
}
