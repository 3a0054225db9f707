// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol
import CApusSystem

/// What a connection has that we open: whom it is for, where it goes, and its handshake.
@WorkerActor
final class ConnectAttempt {
    let client: WebSocketClient
    unowned let dialer: any WebSocketDialer
    let configuration: ClientConfiguration
    /// Nil once the outcome is known.
    var handshake: ClientHandshake?

    /// Where to connect to; empty until the name was looked up.
    ///
    /// Kept as long as the connection, since the kernel reads one while an operation begins.
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
        handshake: consuming ClientHandshake
    ) {
        self.client = client
        self.dialer = dialer
        configuration = client.configuration
        self.handshake = consume handshake
    }
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
