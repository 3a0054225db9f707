// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// A cookie that a response sets, RFC 6265 §4.1, with SameSite and Partitioned.
///
/// What exists is valid: a cookie that browsers would drop, or read otherwise than it was meant,
/// cannot be made. An empty value together with a `maxAge` of 0 takes a cookie away.
public struct SetCookie: Hashable, Sendable {
    /// Whether the cookie comes with requests that another site causes.
    public enum SameSite: String, Hashable, Sendable {
        /// With none of them.
        case strict = "Strict"

        /// With those of a link that is followed, but not with a WebSocket handshake.
        case lax = "Lax"

        /// With all of them; the cookie has to be secure.
        case none = "None"
    }

    /// The name: a token.
    public let name: String

    /// The value as sent, with the quotes if there are some.
    public let value: String

    /// The host whose subdomains get it too, in small letters; nil: this host alone.
    public let domain: String?

    /// Below which path it is sent; nil: that of the request up to its last slash.
    public let path: String?

    /// When it ends, in seconds since 1970 (UTC); nil: with the browser's session.
    public let expires: Int64?

    /// For how many seconds it lives; it has precedence over ``expires``, and 0 or less ends it.
    public let maxAge: Int?

    /// Whether it is sent by TLS only.
    public let isSecure: Bool

    /// Whether scripts do not see it.
    public let isHTTPOnly: Bool

    /// Whether other sites' requests bring it; nil: as the browser decides, mostly ``SameSite/lax``.
    public let sameSite: SameSite?

    /// Whether each embedding site has a jar of its own for it (CHIPS).
    public let isPartitioned: Bool

    /// A cookie whose parts were checked.
    ///
    /// Throws the first rule that they break. `domain` is put into small letters.
    public init(
        _ name: String,
        _ value: String,
        domain: String? = nil,
        path: String? = nil,
        expires: Int64? = nil,
        maxAge: Int? = nil,
        isSecure: Bool = false,
        isHTTPOnly: Bool = false,
        sameSite: SameSite? = nil,
        isPartitioned: Bool = false
    ) throws(SetCookieError) {
        guard name.utf8.isToken else { throw .nameInvalid(name) }
        guard Self.isValue(value.utf8) else { throw .valueInvalid(name: name) }
        guard name.utf8.count + value.utf8.count <= Self.pairByteCountMax else {
            throw .tooLong(name: name)
        }
        if let domain, !Self.isDomain(domain.utf8) { throw .domainInvalid(domain) }
        if let path, !Self.isPath(path.utf8) { throw .pathInvalid(path) }
        if let expires, HTTPDate.text(secondsSince1970: expires) == nil {
            throw .expiresInvalid(expires)
        }
        guard isSecure || sameSite != SameSite.none && !isPartitioned else {
            throw .secureMissing(name: name)
        }
        if Self.hasPrefix("__Secure-", name), !isSecure { throw .prefixBroken(name: name) }
        if Self.hasPrefix("__Host-", name), !isSecure || path != "/" || domain != nil {
            throw .prefixBroken(name: name)
        }
        self.name = name
        self.value = value
        self.domain = domain?.lowercased()
        self.path = path
        self.expires = expires
        self.maxAge = maxAge
        self.isSecure = isSecure
        self.isHTTPOnly = isHTTPOnly
        self.sameSite = sameSite
        self.isPartitioned = isPartitioned
    }

    /// The value of the Set-Cookie field.
    public var fieldValue: String {
        var text = "\(name)=\(value)"
        if let expires, let date = HTTPDate.text(secondsSince1970: expires) {
            text += "; Expires=\(date)"
        }
        if let maxAge { text += "; Max-Age=\(maxAge)" }
        if let domain { text += "; Domain=\(domain)" }
        if let path { text += "; Path=\(path)" }
        if isSecure { text += "; Secure" }
        if isHTTPOnly { text += "; HttpOnly" }
        if let sameSite { text += "; SameSite=\(sameSite.rawValue)" }
        if isPartitioned { text += "; Partitioned" }
        return text
    }

    /// The field that sets it.
    public var field: HeaderField { HeaderField("Set-Cookie", fieldValue) }

    /// Whether one of two cookies would take the other's place, RFC 6265 §5.3 (11).
    func isSameCookie(as other: SetCookie) -> Bool {
        name == other.name && domain == other.domain && path == other.path
    }

    // MARK: The rules

    /// Browsers drop what is longer, draft-ietf-httpbis-rfc6265bis §5.6.
    private static let pairByteCountMax = 4_096
    private static let attributeByteCountMax = 1_024

    /// `*cookie-octet`, with quotes around it or without.
    private static func isValue(_ value: String.UTF8View) -> Bool {
        var octets = value[...]
        if octets.count >= 2, octets.first == .quote, octets.last == .quote {
            octets = octets.dropFirst().dropLast()
        }
        return octets.allSatisfy { byte in
            byte.isVisible && byte != .quote && byte != .comma && byte != .semicolon
                && byte != .backslash
        }
    }

    /// Labels of letters, digits and hyphens, RFC 1123 §2.1.
    private static func isDomain(_ domain: String.UTF8View) -> Bool {
        guard domain.count <= 253 else { return false }
        return domain.split(separator: .dot, omittingEmptySubsequences: false)
            .allSatisfy { label in
                1...63 ~= label.count && label.first != .hyphen && label.last != .hyphen
                    && label.allSatisfy { $0.isDigit || $0.isLetter || $0 == .hyphen }
            }
    }

    /// An absolute path, as a request's target has it: browsers ignore others.
    private static func isPath(_ path: String.UTF8View) -> Bool {
        path.first == .slash && path.count <= attributeByteCountMax
            && path.allSatisfy { $0.isVisible && $0 != .semicolon }
    }

    /// Browsers look at the prefixes without regard to case, draft-ietf-httpbis-rfc6265bis §4.1.3.
    private static func hasPrefix(_ prefix: String, _ name: String) -> Bool {
        name.utf8.prefix(prefix.utf8.count).equalsIgnoringCase(prefix.utf8)
    }
}

/// The rule that the parts of a ``SetCookie`` break: the caller's mistake.
public enum SetCookieError: Error, Hashable, Sendable {
    /// The name is not a token, RFC 6265 §4.1.1.
    case nameInvalid(String)

    /// A byte of the value is none of a cookie's: a space, a comma, a semicolon, no ASCII.
    case valueInvalid(name: String)

    /// Name and value are longer than 4096 bytes together: browsers drop such a cookie.
    case tooLong(name: String)

    /// The domain is no host name; it has no leading dot.
    case domainInvalid(String)

    /// The path does not begin with a slash, has a semicolon, or is longer than 1024 bytes.
    case pathInvalid(String)

    /// The year is not within 1601 and 9999.
    case expiresInvalid(Int64)

    /// What is sent to all sites, or partitioned, has to be secure.
    case secureMissing(name: String)

    /// `__Secure-` needs Secure; `__Host-` needs Secure, the path `/` and no domain.
    case prefixBroken(name: String)
}
