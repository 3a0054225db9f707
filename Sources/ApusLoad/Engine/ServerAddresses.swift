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
    private let sources: [apus_address]
    private var nextSource = 0

    var count: Int { unsafe targets.count }

    init(of url: WebSocketURL, from sources: [String]) throws(LoadFailure) {
        self.sources = try sources.map { text throws(LoadFailure) in
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

    /// Binds a socket to the next source address of the target's family, if there are any; `-errno`.
    mutating func bindSource(_ socket: Int32, for target: Int) -> Int32 {
        for _ in sources {
            var source = sources[nextSource]
            nextSource = (nextSource + 1) % sources.count
            guard source.size == (unsafe targets[target].size) else { continue }
            // The port is left to the connect, which may use one of it for many destinations.
            let result = apus_socket_enable(socket, APUS_SOCKET_LATE_PORT)
            return result < 0 ? result : unsafe apus_socket_bind(socket, &source)
        }
        return 0
    }
}
