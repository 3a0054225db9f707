// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// The fields that the rules ask for.
///
/// A head's names are recognised once, when it is complete; from then on whether one is there is a
/// bit, and where it is a search among numbers.
enum KnownField: UInt8 {
    case other
    case host, origin, cookie, expect
    case upgrade, connection
    case key, version, accept, protocols, extensions
    case contentLength, transferEncoding
    case forwarded, xForwardedFor

    /// The field of a name, without regard to case.
    init(_ name: Span<UInt8>) {
        // No two have as many letters and the same first one.
        self =
            switch (name.count, name[0].lowercased) {
            case (4, UInt8(ascii: "h")): .host
            case (6, UInt8(ascii: "o")): .origin
            case (6, UInt8(ascii: "c")): .cookie
            case (6, UInt8(ascii: "e")): .expect
            case (7, UInt8(ascii: "u")): .upgrade
            case (9, UInt8(ascii: "f")): .forwarded
            case (10, UInt8(ascii: "c")): .connection
            case (14, UInt8(ascii: "c")): .contentLength
            case (15, UInt8(ascii: "x")): .xForwardedFor
            case (17, UInt8(ascii: "s")): .key
            case (17, UInt8(ascii: "t")): .transferEncoding
            case (20, UInt8(ascii: "s")): .accept
            case (21, UInt8(ascii: "s")): .version
            case (22, UInt8(ascii: "s")): .protocols
            case (24, UInt8(ascii: "s")): .extensions
            default: .other
            }
        if self != .other, !name.equalsIgnoringCase(spelling.utf8.span) { self = .other }
    }

    private var spelling: String {
        switch self {
        case .other: ""
        case .host: "Host"
        case .origin: "Origin"
        case .cookie: "Cookie"
        case .expect: "Expect"
        case .upgrade: "Upgrade"
        case .connection: "Connection"
        case .key: "Sec-WebSocket-Key"
        case .version: "Sec-WebSocket-Version"
        case .accept: "Sec-WebSocket-Accept"
        case .protocols: "Sec-WebSocket-Protocol"
        case .extensions: "Sec-WebSocket-Extensions"
        case .contentLength: "Content-Length"
        case .transferEncoding: "Transfer-Encoding"
        case .forwarded: "Forwarded"
        case .xForwardedFor: "X-Forwarded-For"
        }
    }
}

/// A set of known fields.
struct KnownFields: OptionSet {
    let rawValue: UInt32

    init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    init(_ field: KnownField) {
        rawValue = 1 << UInt32(field.rawValue)
    }
}
