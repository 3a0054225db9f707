// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// The forms of a request target that an origin server meets, RFC 9112 §3.2.
enum RequestTarget {
    /// Origin form: a path and an optional query.
    case path(ArraySlice<UInt8>)

    /// Absolute form: host and port, and a path and query that may be empty.
    case uri(authority: ArraySlice<UInt8>, path: ArraySlice<UInt8>)

    case asterisk
    case malformed

    private static let schemes = ["http", "ws", "https", "wss"]

    init(_ bytes: ArraySlice<UInt8>) {
        if bytes.first == .slash {
            self = .path(bytes)
        } else if bytes.elementsEqual("*".utf8) {
            self = .asterisk
        } else {
            let scheme = bytes.prefix { $0 != .colon }
            let rest = bytes[scheme.endIndex...]
            guard Self.schemes.contains(where: { scheme.equalsIgnoringCase($0.utf8) }),
                rest.starts(with: "://".utf8)
            else {
                self = .malformed
                return
            }
            let authority = rest.dropFirst(3).prefix { $0 != .slash && $0 != .question }
            self = .uri(authority: authority, path: rest[authority.endIndex...])
        }
    }
}
