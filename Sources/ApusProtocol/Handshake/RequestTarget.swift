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
        } else if bytes.span.equals("*") {
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

extension RequestHead {
    /// Host and port as the client wrote them; those of the target where it is a whole URI.
    ///
    /// RFC 9112 §3.2.2 has the Host field ignored then.
    public var host: String {
        if case .uri(let authority, _) = RequestTarget(targetBytes) {
            return String(decoding: authority, as: UTF8.self)
        }
        return firstValue(of: .host) ?? ""
    }

    /// The path of the target, from its first slash on, neither decoded nor normalised.
    ///
    /// `/` where a whole URI has none; `*` where the target is that.
    public var path: String {
        let path = resource.prefix { $0 != .question }
        return path.isEmpty ? "/" : String(decoding: path, as: UTF8.self)
    }

    /// What follows the first question mark of the target; nil without one.
    public var query: String? {
        resource.firstIndex(of: .question).map { mark in
            String(decoding: resource[(mark + 1)...], as: UTF8.self)
        }
    }

    /// Path and query.
    private var resource: ArraySlice<UInt8> {
        switch RequestTarget(targetBytes) {
        case .path(let path), .uri(_, let path): path
        case .asterisk, .malformed: targetBytes
        }
    }
}
