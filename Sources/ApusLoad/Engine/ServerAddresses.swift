// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol
import CApusSystem

/// Where a run connects to, and from.
@safe
struct ServerAddresses: ~Copyable {
    /// A name with more has them for nothing.
    private static let countMax = 16

    /// Those of the server, in the order to try them; empty if its name has none.
    private let targets: UnsafeMutableBufferPointer<apus_address>
    /// For each of them those to connect from, of its family.
    private let sources: [[apus_address]]
    /// Whose turn it is among them.
    private var nextTurn = 0

    var count: Int { unsafe targets.count }

    init(of url: WebSocketURL, from sources: [String]) throws(LoadFailure) {
        let all = try sources.map { text throws(LoadFailure) in
            var address = apus_address()
            let count = unsafe apus_address_lookup(&address, 1, text, 0, false)
            guard count == 1 else {
                throw LoadFailure(.usage, "the source address '\(text)' is none; give IP addresses")
            }
            return address
        }
        let capacity = Self.countMax
        let found = unsafe [apus_address](unsafeUninitializedCapacity: capacity) { buffer, count in
            let result = unsafe apus_address_lookup(
                buffer.baseAddress,
                capacity,
                url.host,
                url.port,
                true
            )
            count = max(0, Int(result))
        }
        self.sources = found.map { target in all.filter { $0.size == target.size } }
        unsafe targets = UnsafeMutableBufferPointer.allocate(capacity: found.count)
        _ = unsafe targets.initialize(from: found)
    }

    deinit {
        unsafe targets.deallocate()
    }

    /// One of the server's, as the kernel takes it.
    func target(_ index: Int) -> UnsafeRawBufferPointer {
        guard let start = unsafe targets.baseAddress else { preconditionFailure("no address") }
        let address = unsafe start + index
        return unsafe UnsafeRawBufferPointer(start: address, count: Int(address.pointee.size))
    }

    /// The turn of another connection.
    mutating func takeTurn() -> Int {
        nextTurn += 1
        return nextTurn - 1
    }

    /// How many source addresses there are for a target.
    func sourceCount(for target: Int) -> Int { sources[target].count }

    /// Binds a socket to the source address whose turn it is, if there are any; `-errno`.
    func bindSource(_ socket: Int32, for target: Int, turn: Int) -> Int32 {
        guard !sources[target].isEmpty else { return 0 }
        var source = sources[target][turn % sources[target].count]
        // The port is left to the connect, which may use one of it for many destinations.
        let result = apus_socket_enable(socket, APUS_SOCKET_LATE_PORT)
        return result < 0 ? result : unsafe apus_socket_bind(socket, &source)
    }
}
