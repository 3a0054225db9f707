// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// The proxies in front of a server: the peers whose word on a client's address is taken.
///
/// ```swift
/// configuration.trustedProxies = ["10.0.0.0/8", "2001:db8::/32", "unix"]
/// ```
/// A literal that is malformed traps; what is read at run time goes to ``init(_:)``, which throws.
public struct TrustedProxies: Hashable, Sendable {
    /// Addresses that have their first bits in common; bits are counted in the IPv6 form.
    private struct Prefix: Hashable {
        let address: IPAddress
        let bitCount: Int

        func contains(_ other: IPAddress) -> Bool {
            // `::/0` means IPv6: the IPv4 addresses that are mapped into it are not meant.
            other.isIPv4 == address.isIPv4 && other.agrees(with: address, inFirst: bitCount)
        }
    }

    private var prefixes: [Prefix] = []
    private var trustsUnixSockets = false

    /// Nobody is trusted.
    public init() {}

    /// Addresses, prefixes of addresses (RFC 4632: `10.0.0.0/8`, `fd00::/8`), and `unix`.
    ///
    /// `unix` stands for every client of a Unix socket, whom the file's permissions let in.
    public init(_ entries: some Sequence<String>) throws(TrustedProxiesError) {
        for entry in entries {
            if entry == "unix" {
                trustsUnixSockets = true
            } else {
                prefixes.append(try Self.prefix(entry))
            }
        }
    }

    /// Whether nobody is trusted.
    public var isEmpty: Bool { prefixes.isEmpty && !trustsUnixSockets }

    /// Whether an address is that of a trusted proxy; an empty one is that of a Unix socket's peer.
    public func contains(_ address: String) -> Bool {
        guard !address.isEmpty else { return trustsUnixSockets }
        guard !prefixes.isEmpty, let address = IPAddress(Array(address.utf8)[...]) else {
            return false
        }
        return prefixes.contains { $0.contains(address) }
    }

    private static func prefix(_ entry: String) throws(TrustedProxiesError) -> Prefix {
        let bytes = Array(entry.utf8)[...]
        let text = bytes.prefix { $0 != .slash }
        guard let address = IPAddress(text) else { throw .malformed(entry) }
        var bitCount = 128
        if text.endIndex < bytes.endIndex {
            // Of an IPv4 address as it is written: a mapped one counts as IPv6.
            let leading = text.contains(.colon) ? 0 : 96
            guard let length = bytes[(text.endIndex + 1)...].decimal(digitCountMax: 3),
                leading + length <= 128
            else { throw .malformed(entry) }
            bitCount = leading + length
        }
        guard address.isZero(afterFirst: bitCount) else { throw .bitsBehindPrefix(entry) }
        return Prefix(address: address, bitCount: bitCount)
    }
}

extension TrustedProxies: ExpressibleByArrayLiteral {
    /// What ``init(_:)`` takes; traps where that throws.
    public init(arrayLiteral entries: String...) {
        do {
            try self.init(entries)
        } catch {
            preconditionFailure("\(error)")
        }
    }
}

/// Why an entry of ``TrustedProxies`` cannot be taken.
public enum TrustedProxiesError: Error, Hashable, Sendable {
    /// Neither an address, with or without `/` and a count of bits, nor `unix`.
    case malformed(String)

    /// The address has bits behind its prefix, as in `10.1.2.3/8`: which of both is meant?
    case bitsBehindPrefix(String)
}

extension IPAddress {
    /// Whether no bit is set behind the first ones.
    fileprivate func isZero(afterFirst bitCount: Int) -> Bool {
        high << UInt64(min(64, bitCount)) == 0 && low << UInt64(max(0, bitCount - 64)) == 0
    }
}
