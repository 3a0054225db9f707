// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// One pair of a Cookie field, RFC 6265 §4.2.1.
public struct Cookie: Hashable, Sendable {
    /// The name, in the case the client sent.
    public let name: String

    /// The value as sent, without the quotes around it; nothing in it is decoded.
    public let value: String

    /// Reads one pair; nil for what is none.
    init?(_ pair: ArraySlice<UInt8>) {
        let pair = pair.trimmed
        guard let equals = pair.firstIndex(of: .equals) else { return nil }
        let name = pair[..<equals].trimmed
        var value = pair[(equals + 1)...].trimmed
        if value.count >= 2 && value.first == .quote && value.last == .quote {
            value = value.dropFirst().dropLast()
        }
        guard name.isToken, let text = String(validating: value, as: UTF8.self) else { return nil }
        self.name = String(decoding: name, as: UTF8.self)
        self.value = text
    }
}

extension RequestHead {
    /// The pairs of all Cookie fields, in the order received.
    ///
    /// Only `;` separates, since values have commas in practice. What is not a pair is left out:
    /// cookies of others on the same site must not cost a client its connection.
    public var cookies: [Cookie] {
        lines(of: .cookie).flatMap { $0.split(separator: .semicolon).compactMap(Cookie.init) }
    }
}
