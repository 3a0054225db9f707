// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// From which web pages connections are welcome, RFC 6455 §10.2.
///
/// A browser lets any page connect to any server, with the user's cookies, and says in Origin whose
/// page it is. A server that trusts cookies has to look at that:
/// ```swift
/// configuration.originPolicy = .sameOrigin
/// configuration.originPolicy = .allowed(["https://example.com", "https://*.example.com"])
/// ```
/// It protects users of browsers. Other programs send what they like, or no Origin.
public struct OriginPolicy: Hashable, Sendable {
    private enum Pages: Hashable {
        case any
        case listed([OriginPattern], orSame: Bool)
    }

    private let pages: Pages

    /// Whether requests without an Origin are welcome, as most programs other than browsers send them.
    public var admitsMissingOrigin = true

    private init(pages: Pages) {
        self.pages = pages
    }

    /// Pages of every origin, `null` too.
    public static let any = OriginPolicy(pages: .any)

    /// Pages that came from where they connect to.
    ///
    /// Host and port of Origin are those of the request's Host. The scheme is `https` for requests
    /// that came by TLS, and else `http` or `https`, whichever: behind a proxy that ends TLS a server
    /// does not know by which it was asked.
    public static let sameOrigin = OriginPolicy(pages: .listed([], orSame: true))

    /// Pages of the origins that a pattern matches; with `orSame`, also those of ``sameOrigin``.
    public static func allowed(_ patterns: [OriginPattern], orSame: Bool = false) -> OriginPolicy {
        OriginPolicy(pages: .listed(patterns, orSame: orSame))
    }

    /// Whether a request with these values of Origin and Host is welcome.
    ///
    /// An Origin that is malformed is so under ``any`` alone. `isSecure` says that the request came by
    /// TLS.
    public func admits(origin: String?, host: String, isSecure: Bool = false) -> Bool {
        guard let origin else { return admitsMissingOrigin }
        switch pages {
        case .any: return true
        case .listed(let patterns, let orSame):
            if patterns.contains(where: { $0.matches(origin) }) { return true }
            guard orSame, let origin = WebOrigin(origin),
                let place = Authority(Array(host.utf8)[...]), let port = origin.defaultPort,
                !isSecure || origin.scheme == "https"
            else { return false }
            return origin.host == place.host && origin.port == place.port ?? port
        }
    }
}

/// Origins of web pages: one, or those of a domain or of any port.
///
/// | pattern                     | matches                                                      |
/// |-----------------------------|--------------------------------------------------------------|
/// | `https://example.com`       | this origin, also where it is written with `:443`            |
/// | `https://*.example.com`     | all hosts below `example.com`, at any depth, but not that one |
/// | `http://localhost:*`        | this host with any port                                      |
/// | `null`                      | pages without an origin: of files, of sandboxed frames       |
///
/// Schemes and hosts are compared without regard to case, IPv6 addresses by value.
public struct OriginPattern: Hashable, Sendable {
    private enum Hosts: Hashable {
        case one(Authority.Host)
        /// With the dot in front.
        case below(String)
    }

    private enum Ports: Hashable {
        case any
        /// Nil where the scheme has no ports.
        case one(Int?)
    }

    private enum Kind: Hashable {
        case null
        case origins(scheme: String, Hosts, Ports)
    }

    private let kind: Kind

    /// Reads a pattern; throws for what is none.
    public init(_ pattern: String) throws(OriginPatternError) {
        if pattern == "null" {
            kind = .null
            return
        }
        let takesAnyPort = pattern.hasSuffix(":*")
        var text = takesAnyPort ? String(pattern.dropLast(2)) : pattern
        let takesBelow = text.contains("://*.")
        if takesBelow { text.replace("://*.", with: "://", maxReplacements: 1) }
        guard let origin = WebOrigin(text), !text.contains("*"),
            !(takesAnyPort && origin.namesPort)
        else { throw .malformed(pattern) }
        let hosts: Hosts
        switch (takesBelow, origin.host) {
        case (false, let host): hosts = .one(host)
        case (true, .name(let name)): hosts = .below(".\(name)")
        case (true, .ip6): throw .malformed(pattern)
        }
        kind = .origins(scheme: origin.scheme, hosts, takesAnyPort ? .any : .one(origin.port))
    }

    /// Whether a value of Origin is one of them.
    public func matches(_ origin: String) -> Bool {
        switch kind {
        case .null: return origin == "null"
        case .origins(let scheme, let hosts, let ports):
            guard let origin = WebOrigin(origin), origin.scheme == scheme,
                ports == .any || ports == .one(origin.port)
            else { return false }
            switch (hosts, origin.host) {
            case (.one(let host), _): return origin.host == host
            case (.below(let domain), .name(let name)):
                return name.hasSuffix(domain) && name.utf8.count > domain.utf8.count
            case (.below, .ip6): return false
            }
        }
    }
}

extension OriginPattern: ExpressibleByStringLiteral {
    /// What ``init(_:)`` takes; traps where that throws.
    public init(stringLiteral pattern: String) {
        do {
            try self.init(pattern)
        } catch {
            preconditionFailure("\(error)")
        }
    }
}

/// Why an ``OriginPattern`` cannot be taken.
public enum OriginPatternError: Error, Hashable, Sendable {
    /// Not a scheme, `://`, a host and perhaps a port; or a `*` anywhere but in place of the first
    /// labels of a name or of the port.
    case malformed(String)
}

/// The value of an Origin field that is not `null`, RFC 6454 §7.1.
struct WebOrigin {
    let scheme: String
    let host: Authority.Host
    /// That of the scheme where none is written; nil where that has none.
    let port: Int?
    let namesPort: Bool

    /// Reads one origin; nil for what is none, such as a list or a URI with a path.
    init?(_ text: String) {
        let bytes = Array(text.utf8)[...]
        let scheme = bytes.prefix { $0 != .colon }
        let rest = bytes[scheme.endIndex...]
        guard scheme.first?.isLetter == true,
            scheme.allSatisfy({
                $0.isLetter || $0.isDigit || $0 == .hyphen || $0 == .dot || $0 == UInt8(ascii: "+")
            }),
            rest.starts(with: "://".utf8), let authority = Authority(rest.dropFirst(3))
        else { return nil }
        self.scheme = String(decoding: scheme.map(\.lowercased), as: UTF8.self)
        host = authority.host
        port = authority.port ?? Self.port(of: self.scheme)
        namesPort = authority.port != nil
    }

    /// The port that a page's own server has where none is written; nil for what is no web page.
    var defaultPort: Int? { Self.port(of: scheme) }

    private static func port(of scheme: String) -> Int? {
        switch scheme {
        case "http": 80
        case "https": 443
        default: nil
        }
    }
}

/// A host and perhaps a port, as in Host and Origin.
struct Authority {
    /// What stands for one and the same host compares equal.
    enum Host: Hashable, Sendable {
        /// In small letters; IPv4 addresses as well.
        case name(String)
        case ip6(IPAddress)
    }

    let host: Host
    let port: Int?

    init?(_ bytes: ArraySlice<UInt8>) {
        guard HandshakeRules.isHost(bytes) else { return nil }
        let rest: ArraySlice<UInt8>
        if bytes.first == UInt8(ascii: "["), let end = bytes.firstIndex(of: UInt8(ascii: "]")) {
            guard let address = IPAddress(bytes[..<end].dropFirst()) else { return nil }
            host = .ip6(address)
            rest = bytes[(end + 1)...]
        } else {
            let name = bytes.prefix { $0 != .colon }
            host = .name(String(decoding: name.map(\.lowercased), as: UTF8.self))
            rest = bytes[name.endIndex...]
        }
        // At most five digits; none where a colon stands alone.
        let digits = rest.dropFirst()
        port = digits.isEmpty ? nil : digits.reduce(0) { $0 * 10 + Int($1 - 0x30) }
    }
}
