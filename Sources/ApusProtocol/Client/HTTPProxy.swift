// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// An HTTP proxy that tunnels are asked of by CONNECT, and what it knows us by.
public struct HTTPProxy: Hashable, Sendable {
    /// A name or an address as written; an IPv6 address without its brackets.
    public let host: String

    /// The port.
    public let port: UInt16

    /// The fields of a request for a tunnel: Proxy-Authorization where there is a user.
    package let fields: [HeaderField]

    /// Reads a URL such as `http://user:password@proxy.example.com:3128`.
    ///
    /// The port is 80 where none is written. User and password are percent-decoded, and sent as
    /// Basic credentials, RFC 7617, with the request for a tunnel: readable to whoever hears it. A
    /// proxy that is spoken to by TLS or SOCKS is refused, and so is a URL with a path or a query.
    public init(_ url: String) throws(HTTPProxyError) {
        let bytes = Array(url.utf8)[...]
        let scheme = bytes.prefix { $0 != .colon }
        guard scheme.equalsIgnoringCase("http".utf8),
            bytes[scheme.endIndex...].starts(with: "://".utf8)
        else { throw .schemeNotHTTP }
        let rest = bytes[scheme.endIndex...].dropFirst(3)
        let authority = rest.prefix { $0 != .slash && $0 != .question && $0 != .numberSign }
        guard
            rest[authority.endIndex...].elementsEqual("/".utf8)
                || authority.endIndex == rest.endIndex
        else { throw .pathNotEmpty }
        let sign = authority.lastIndex(of: UInt8(ascii: "@"))
        let user = sign.map { authority[..<$0] }
        let (host, port) = WebSocketURL.split(sign.map { authority[($0 + 1)...] } ?? authority)
        guard let name = WebSocketURL.name(host) else { throw .hostInvalid }
        guard let port = WebSocketURL.number(port, or: 80) else { throw .portInvalid }
        self.host = name
        self.port = port
        if let user { fields = [try Self.authorization(user)] } else { fields = [] }
    }

    /// The field for what stands before the `@`, RFC 7617 §2.
    private static func authorization(
        _ user: ArraySlice<UInt8>
    ) throws(HTTPProxyError) -> HeaderField {
        let colon = user.firstIndex(of: .colon)
        guard let name = percentDecoded(user[..<(colon ?? user.endIndex)]),
            let password = percentDecoded(colon.map { user[($0 + 1)...] } ?? []),
            !name.isEmpty, !name.contains(.colon),
            (name + password).allSatisfy({ $0 >= 0x20 && $0 != 0x7F })
        else { throw .credentialsInvalid }
        return HeaderField(
            "Proxy-Authorization",
            "Basic " + Base64.encode(name + [.colon] + password)
        )
    }

    /// RFC 3986 §2.1; nil where a percent sign has no two digits behind it.
    private static func percentDecoded(_ bytes: ArraySlice<UInt8>) -> [UInt8]? {
        var decoded: [UInt8] = []
        var rest = bytes
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                decoded.append(byte)
                continue
            }
            let digits = rest.prefix(2)
            guard digits.count == 2, digits.allSatisfy(\.isHexDigit),
                let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 16)
            else { return nil }
            decoded.append(value)
            rest = rest.dropFirst(2)
        }
        return decoded
    }
}

extension HTTPProxy: CustomStringConvertible, CustomReflectable {
    /// Host and port, without user and password: it is made for logs.
    public var description: String {
        "http://" + (host.utf8.contains(.colon) ? "[\(host)]:\(port)" : "\(host):\(port)")
    }

    /// The same, so that a debugger or `dump` shows no password either.
    public var customMirror: Mirror { Mirror(self, children: ["host": host, "port": port]) }
}

/// Why a text is not the URL of a proxy.
public enum HTTPProxyError: String, Error, CaseIterable {
    /// It does not start with `http://`.
    case schemeNotHTTP

    /// It has a path, a query or a fragment.
    case pathNotEmpty

    /// The host is empty, or neither a name nor an address.
    case hostInvalid

    /// The port is not a number from 1 to 65535.
    case portInvalid

    /// The user name is empty, or a character of user or password may not be sent.
    case credentialsInvalid
}
