// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// The address of a WebSocket, RFC 6455 §3: where to connect, and what to ask for there.
public struct WebSocketURL: Hashable, Sendable {
    /// Whether it is `wss`: WebSocket over TLS.
    public let isSecure: Bool

    /// A name or an address as written; an IPv6 address without its brackets.
    public let host: String

    /// The port; 80, or 443 for `wss`, where none was written.
    public let port: UInt16

    /// The path and the query as written, neither decoded nor normalised; at least `/`.
    public let resource: String

    /// Reads a URL: `ws` or `wss`, a host, an optional port, path and query.
    ///
    /// Other characters than visible ASCII have to be percent-encoded. A user name is refused, since
    /// nothing would be done with it, and so is a fragment, RFC 6455 §3.
    public init(_ text: String) throws(WebSocketURLError) {
        let bytes = Array(text.utf8)[...]
        let scheme = bytes.prefix { $0 != .colon }
        isSecure = scheme.equalsIgnoringCase("wss".utf8)
        guard isSecure || scheme.equalsIgnoringCase("ws".utf8),
            bytes[scheme.endIndex...].starts(with: "://".utf8)
        else { throw .schemeNotWebSocket }
        guard !bytes.contains(.numberSign) else { throw .fragment }
        let rest = bytes[scheme.endIndex...].dropFirst(3)
        let authority = rest.prefix { $0 != .slash && $0 != .question }
        guard !authority.contains(UInt8(ascii: "@")) else { throw .userInformation }
        let (host, port) = Self.split(authority)
        guard let name = Self.name(host) else { throw .hostInvalid }
        guard let port = Self.number(port, or: isSecure ? 443 : 80) else { throw .portInvalid }
        let resource = rest[authority.endIndex...]
        guard resource.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { throw .resourceInvalid }
        self.host = name
        self.port = port
        let path = String(decoding: resource, as: UTF8.self)
        self.resource = resource.first == .slash ? path : "/" + path
    }

    /// Host and port as the Host field has them: the port only if it is not the usual one.
    public var hostField: String {
        port == (isSecure ? 443 : 80) ? bracketedHost : "\(bracketedHost):\(port)"
    }

    /// Host and port as a proxy is asked for them, RFC 9110 §9.3.6.
    public var authority: String { "\(bracketedHost):\(port)" }

    private var bracketedHost: String { host.utf8.contains(.colon) ? "[\(host)]" : host }

    /// What stands before the port, and what after it, if there is a colon.
    static func split(
        _ authority: ArraySlice<UInt8>
    ) -> (host: ArraySlice<UInt8>, port: ArraySlice<UInt8>?) {
        let start =
            authority.first == UInt8(ascii: "[")
            ? authority.firstIndex(of: UInt8(ascii: "]")) ?? authority.startIndex
            : authority.startIndex
        guard let colon = authority[start...].firstIndex(of: .colon) else {
            return (authority, nil)
        }
        return (authority[..<colon], authority[(colon + 1)...])
    }

    /// A host without the brackets of an IPv6 address; nil unless it is a name or an address.
    static func name(_ host: ArraySlice<UInt8>) -> String? {
        // A name that is percent-encoded is legal, and none that can be looked up.
        guard HandshakeRules.isHost(host), !host.contains(UInt8(ascii: "%")) else { return nil }
        let isBracketed = host.first == UInt8(ascii: "[")
        return String(
            decoding: isBracketed ? host.dropFirst().dropLast() : host,
            as: UTF8.self
        )
    }

    /// The port's number; that of the scheme where it is empty, RFC 3986 §3.2.3.
    static func number(_ digits: ArraySlice<UInt8>?, or usual: UInt16) -> UInt16? {
        guard let digits, !digits.isEmpty else { return usual }
        guard digits.count <= 5, digits.allSatisfy(\.isDigit) else { return nil }
        let number = digits.reduce(0) { $0 * 10 + Int($1 - 0x30) }
        return number == 0 ? nil : UInt16(exactly: number)
    }
}

extension WebSocketURL: CustomStringConvertible {
    /// The URL, with the port only if it is not the usual one.
    public var description: String { "\(isSecure ? "wss" : "ws")://\(hostField)\(resource)" }
}

/// Why a text is not the URL of a WebSocket.
public enum WebSocketURLError: String, Error, CaseIterable {
    /// It does not start with `ws://` or `wss://`.
    case schemeNotWebSocket

    /// It has a fragment, or a number sign that is not percent-encoded.
    case fragment

    /// It has a user name.
    case userInformation

    /// The host is empty, or neither a name nor an address.
    case hostInvalid

    /// The port is not a number from 1 to 65535.
    case portInvalid

    /// Path or query have a character that has to be percent-encoded.
    case resourceInvalid
}
