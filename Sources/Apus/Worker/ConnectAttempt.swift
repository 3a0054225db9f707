// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol
import ApusTLS
import CApusSystem

/// What is done about the outcome of an attempt; an error closes the connection, if there is one.
typealias ConnectReport = @WorkerActor (Result<WebSocketConnection, ConnectFailure>) throws -> Void

/// What a connection has that we open: whom it is for, where it goes, and its handshake.
@WorkerActor
final class ConnectAttempt {
    let client: WebSocketClient
    /// Nil once its loop is gone: who waited for the outcome may ask to end it even then.
    private(set) weak var dialer: (any WebSocketDialer)?
    let configuration: ClientConfiguration
    /// Told once of the outcome.
    let report: ConnectReport
    /// Nil once the outcome is known.
    var handshake: ClientHandshake?
    /// What comes before the handshake where there is a proxy; nil once the tunnel is there.
    var tunnel: ProxyTunnel?
    /// The TLS that comes before the handshake, and behind the tunnel; nil for `ws`.
    let tls: TLSContext?
    /// Whom the server's certificate has to be for.
    let host: String
    /// Whether the server may agree on contexts: until the outcome is known they count as there.
    var offersContexts = false
    /// Whether it is to fail with the next wait.
    var isAbandoned = false

    /// Where to connect to; empty until the name was looked up.
    ///
    /// Kept until the descriptor is closed, since the kernel reads one while an operation begins.
    var addresses = SocketAddresses([])

    /// Whether the client has not been told of the outcome.
    var isPending: Bool { handshake != nil }
    /// Whether a connect is in flight.
    var isConnecting = false
    /// Why the last address that was tried failed.
    var errno: Int32 = 0

    init(
        client: WebSocketClient,
        dialer: any WebSocketDialer,
        handshake: consuming ClientHandshake,
        tunnel: consuming ProxyTunnel?,
        tls: TLSContext?,
        host: String,
        report: @escaping ConnectReport
    ) {
        self.client = client
        self.dialer = dialer
        configuration = client.configuration
        self.handshake = consume handshake
        self.tunnel = consume tunnel
        self.tls = tls
        self.host = host
        self.report = report
    }

    /// What is sent first over a new connection.
    var firstRequest: [UInt8] { tunnel?.request ?? handshake?.request ?? [] }
}

/// Addresses that stay where they are, to be tried one after the other.
@safe
final class SocketAddresses {
    private let addresses: UnsafeMutableBufferPointer<apus_address>
    private var nextIndex = 0

    init(_ addresses: [apus_address]) {
        unsafe self.addresses = UnsafeMutableBufferPointer.allocate(capacity: addresses.count)
        _ = unsafe self.addresses.initialize(from: addresses)
    }

    deinit {
        unsafe addresses.deallocate()
    }

    /// The next one, as the kernel takes it; nil behind the last.
    func next() -> UnsafeRawBufferPointer? {
        guard unsafe nextIndex < addresses.count, let start = unsafe addresses.baseAddress else {
            return nil
        }
        let address = unsafe start + nextIndex
        nextIndex += 1
        // What the kernel takes is at the start of it.
        return unsafe UnsafeRawBufferPointer(start: address, count: Int(address.pointee.size))
    }
}

extension ClientRoute {
    /// Whose addresses are looked up.
    func host(for url: WebSocketURL) -> (name: String, port: UInt16) {
        switch self {
        case .direct, .unixSocket: (url.host, url.port)
        case .proxy(let proxy): (proxy.host, proxy.port)
        }
    }

    /// The addresses to connect to; empty where a name has to be looked up.
    func knownAddresses(for url: WebSocketURL) throws(WebSocketError) -> [apus_address] {
        guard case .unixSocket(let path) = self else {
            let (name, port) = host(for: url)
            return AddressLookup.known(name, port: port)
        }
        var address = apus_address()
        guard !path.utf8.contains(0), unsafe apus_address_unix(&address, path) == 0 else {
            throw .invalidRequest("no Unix socket has the path \(path.debugDescription)")
        }
        return [address]
    }

    func tunnel(
        to url: WebSocketURL,
        limits: HandshakeLimits,
        deadline: Instant
    ) throws(HandshakeError) -> ProxyTunnel? {
        guard case .proxy(let proxy) = self else { return nil }
        return try ProxyTunnel(to: url, fields: proxy.fields, limits: limits, deadline: deadline)
    }
}
