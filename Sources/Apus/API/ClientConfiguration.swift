// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

public import ApusProtocol
import ApusTLS

/// How a client treats its connections: limits, times and the way, all with their defaults.
///
/// How much may wait for a server that does not read is the worker's:
/// ``ServerConfiguration/maxSendQueue``.
public struct ClientConfiguration: Sendable {
    /// The largest payload of one received frame, in bytes; larger: 1009.
    public var maxReceivedFrameSize = 1 << 20

    /// The largest received message, in bytes, over all of its frames; larger: 1009.
    public var maxReceivedMessageSize = 8 << 20

    /// The most frames that one received message may come in; more: 1008.
    public var maxFragments = 16384

    /// Whether and how messages are compressed where the server can do so; by default they are not.
    public var compression = Compression.off

    /// How long it may take from `connect` to the open connection, look-up and proxy included.
    public var handshakeTimeout: Interval = .seconds(10)

    /// The silence after which a ping is sent; nil: no keepalive, which is for servers.
    public var keepaliveInterval: Interval?

    /// How long after that ping anything must have come, or the connection is dropped (1006).
    public var keepaliveGracePeriod: Interval = .seconds(10)

    /// How long a closing handshake may take before the connection is dropped.
    public var closeTimeout: Interval = .seconds(5)

    /// The way to the servers.
    public var route = ClientRoute.direct

    /// Whom servers are trusted by where the URL is `wss`.
    public var tls = TLSClientConfiguration()

    /// The limits of a response's head.
    public var handshakeLimits = HandshakeLimits()

    /// The defaults of WebSocket-Node.
    public init() {}

    var connections: ConnectionConfiguration {
        ConnectionConfiguration(
            frameByteCountMax: UInt64(clamping: maxReceivedFrameSize),
            messageByteCountMax: UInt64(clamping: maxReceivedMessageSize),
            fragmentCountMax: UInt32(clamping: maxFragments),
            keepaliveInterval: keepaliveInterval,
            keepaliveGracePeriod: keepaliveGracePeriod,
            closeTimeout: closeTimeout
        )
    }
}

/// How a client speaks TLS: whom it trusts to vouch for servers.
///
/// A server's certificate has to be for the host of the URL, a name or an address.
public struct TLSClientConfiguration: Sendable {
    /// Whose word on a server is taken.
    public enum Trust: Hashable, Sendable {
        /// That of those whom the system trusts.
        case system

        /// That of the certificates in a file, in PEM, and no other.
        case file(String)

        /// Certificates are not looked at: whoever is on the way can read and change everything.
        case anyone
    }

    /// Whose word on a server is taken.
    public var trust = Trust.system

    /// What is shown to servers that ask for a certificate; nil: none.
    public var identity: TLSConfiguration.Identity?

    /// What the system trusts, and no certificate to show.
    public init() {}

    func context() throws(TLSSetupError) -> TLSContext {
        let trust: TLSContext.Trust =
            switch trust {
            case .system: .system
            case .file(let path): .file(path)
            case .anyone: .anyone
            }
        guard let identity else { return try .client(trust: trust) }
        return try .client(trust: trust, identity: try identity.load())
    }
}

/// The way from a client to its servers.
public enum ClientRoute: Hashable, Sendable {
    /// To the host and port that a URL names.
    case direct

    /// Through a tunnel that an HTTP proxy is asked for by CONNECT, RFC 9110 §9.3.6.
    ///
    /// It is the proxy that looks up the host's name, and the connection's remote address is its.
    case proxy(HTTPProxy)

    /// To the Unix socket at this path, of at most 107 bytes.
    ///
    /// Of a URL the host is then only what the Host field says, as in `ws://localhost/chat`. There
    /// is no URL for it: the `ws+unix:` of Node's ws has no place for the host.
    case unixSocket(path: String)
}
