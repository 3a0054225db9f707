// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// Where to listen.
package struct ListenerSpec: Equatable, Sendable {
    package enum Address: Equatable, Sendable {
        /// A literal IPv4 or IPv6 address or a name; port 0 is any free one.
        case tcp(host: String, port: UInt16)

        /// A Unix socket at this path, of at most 107 bytes.
        case unix(path: String)
    }

    package var address: Address

    package init(_ address: Address) {
        self.address = address
    }
}

extension ListenerSpec: CustomStringConvertible {
    /// As an operator writes it: `127.0.0.1:3001`, `[::1]:3001`, `unix:/run/apus`.
    package var description: String {
        switch address {
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path): "unix:\(path)"
        }
    }
}
