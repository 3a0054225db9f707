// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// The field in which the proxies before a server say whom they speak for.
///
/// A choice and not a search: a proxy writes one of these fields and passes the other on as the
/// client sent it, so whoever reads both lets clients choose their address. For the same reason
/// none is read unless it is named, however much the proxy is trusted.
public enum ForwardedField: Hashable, Sendable {
    /// None: the address is that of the transport.
    case ignored

    /// `X-Forwarded-For`, as most proxies write it: a list of addresses.
    case xForwardedFor

    /// `Forwarded` with its parameter `for`, RFC 7239.
    case forwarded
}

/// Whom a request came from, and through whom.
public struct RemoteAddresses: Hashable, Sendable {
    /// All that are known, the nearest last: what the field says, then the transport's.
    ///
    /// Those before ``client`` are what it claims, and may be anything.
    public let all: [String]

    /// The nearest address that is not of a trusted proxy; the farthest one if all of them are.
    public let client: String

    /// Follows the addresses from the nearest to the first that is not trusted.
    ///
    /// `transport` has the addresses that the transport vouches for, the nearest last; an empty one
    /// is a Unix socket's. `field` is read only if all of them are trusted. What is malformed there
    /// ends the list: nothing before it is taken. Addresses are spelt as RFC 5952 has it, without
    /// port; where a proxy hides one, its identifier (`unknown`, `_hidden`) takes its place.
    public init(
        transport: [String],
        head: RequestHead,
        field: ForwardedField,
        trusting proxies: TrustedProxies
    ) {
        if let stranger = transport.last(where: { !proxies.contains($0) }) {
            all = transport
            client = stranger
            return
        }
        let nodes: [String?] =
            switch field {
            case .ignored: []
            case .xForwardedFor:
                head.elements(of: .xForwardedFor).filter { !$0.isEmpty }.map(
                    ForwardedNode.listed
                )
            case .forwarded:
                head.lines(of: .forwarded).flatMap(ForwardedNode.nodes(in:))
            }
        let start = nodes.lastIndex(of: nil).map { $0 + 1 } ?? 0
        all = nodes[start...].compactMap(\.self) + transport
        client = all.last { !proxies.contains($0) } ?? all.first ?? ""
    }
}

/// How a proxy names the node that it got a request from, RFC 7239 §6.
enum ForwardedNode {
    /// An element of X-Forwarded-For; nil for what is malformed.
    ///
    /// No document says how a port is written: as in Forwarded, if at all.
    static func listed(_ element: ArraySlice<UInt8>) -> String? {
        if element.lastIndex(of: .colon) != element.firstIndex(of: .colon),
            element.first != UInt8(ascii: "[")
        {
            return IPAddress(element)?.description
        }
        return node(element)
    }

    /// The nodes that a line of Forwarded names, nil for each element that is malformed.
    ///
    /// What a quoted string swallows that has no end, or goes on behind its end, is malformed with
    /// it: so no client can hide, by a quote, what a proxy appends.
    static func nodes(in line: ArraySlice<UInt8>) -> [String?] {
        split(line, at: .comma).map(\.trimmed).filter { !$0.isEmpty }.map { element in
            var name: ArraySlice<UInt8>?
            for pair in split(element, at: .semicolon).map(\.trimmed) where !pair.isEmpty {
                guard let equals = pair.firstIndex(of: .equals), pair[..<equals].isToken,
                    let value = value(pair[(equals + 1)...])
                else { return nil }
                guard pair[..<equals].equalsIgnoringCase("for".utf8) else { continue }
                guard name == nil else { return nil }
                name = value
            }
            return name.flatMap(node)
        }
    }

    /// `nodename [ ":" node-port ]`.
    private static func node(_ text: ArraySlice<UInt8>) -> String? {
        if text.first == UInt8(ascii: "[") {
            guard let end = text.firstIndex(of: UInt8(ascii: "]")),
                text[..<end].contains(.colon), isPort(text[(end + 1)...])
            else { return nil }
            return IPAddress(text[..<end].dropFirst())?.description
        }
        let name = text.prefix { $0 != .colon }
        guard isPort(text[name.endIndex...]) else { return nil }
        if name.equalsIgnoringCase("unknown".utf8) { return "unknown" }
        if isObfuscated(name) { return String(decoding: name, as: UTF8.self) }
        return IPAddress(name)?.description
    }

    /// Nothing, or a colon and a port, which may be obfuscated.
    private static func isPort(_ text: ArraySlice<UInt8>) -> Bool {
        guard let colon = text.first else { return true }
        let port = text.dropFirst()
        return colon == .colon
            && (isObfuscated(port) || port.decimal(digitCountMax: 5).map { $0 <= 65_535 } ?? false)
    }

    /// `"_" 1*( ALPHA / DIGIT / "." / "_" / "-")`.
    private static func isObfuscated(_ text: ArraySlice<UInt8>) -> Bool {
        text.count > 1 && text.first == UInt8(ascii: "_")
            && text.allSatisfy { byte in
                byte.isLetter || byte.isDigit || byte == .dot || byte == .hyphen
                    || byte == UInt8(ascii: "_")
            }
    }

    /// A token, or what a quoted string says.
    private static func value(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        guard text.first == .quote else { return text.isToken ? text : nil }
        var value: [UInt8] = []
        var rest = text.dropFirst()
        while let byte = rest.popFirst() {
            if byte == .quote { return rest.isEmpty ? value[...] : nil }
            guard byte == .backslash else {
                value.append(byte)
                continue
            }
            guard let escaped = rest.popFirst() else { return nil }
            value.append(escaped)
        }
        return nil
    }

    /// The parts between separators that stand in no quoted string.
    private static func split(
        _ text: ArraySlice<UInt8>,
        at separator: UInt8
    ) -> [ArraySlice<UInt8>] {
        var parts: [ArraySlice<UInt8>] = []
        var start = text.startIndex
        var isQuoted = false
        var isEscaped = false
        for (index, byte) in zip(text.indices, text) {
            if isEscaped {
                isEscaped = false
            } else if byte == .quote {
                isQuoted.toggle()
            } else if isQuoted {
                isEscaped = byte == .backslash
            } else if byte == separator {
                parts.append(text[start..<index])
                start = index + 1
            }
        }
        return parts + [text[start...]]
    }
}
