// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// What the application asked for that no response, or no handshake of a client, may say.
///
/// The mistake is the application's, not the peer's; nothing is put on the wire.
public enum HandshakeError: Error, Hashable, Sendable {
    /// The client did not offer this subprotocol, RFC 6455 §4.2.2 (5).
    case protocolNotOffered(String)

    /// A subprotocol to offer that is no token, RFC 6455 §4.1 (10).
    case protocolInvalid(String)

    /// A subprotocol to offer that is there twice, RFC 6455 §4.1 (10).
    case protocolRepeated

    /// Not a token, or longer than 8 KiB, RFC 9110 §5.1.
    case fieldNameInvalid(String)

    /// A line end or another control character in the value, or longer than 8 KiB, RFC 9110 §5.5.
    case fieldValueInvalid(name: String)

    /// A field that the handshake or the response writer sets itself.
    case fieldReserved(String)

    /// Two cookies with the same name, domain and path, RFC 6265 §4.1.1.
    case cookieRepeated(String)

    /// Not a final status: 200 to 599.
    case statusInvalid(Int)
}
