// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// Which subprotocol a route speaks.
package enum RouteProtocol: Equatable, Sendable {
    /// None: for clients that offer none.
    case absent

    /// Whatever the client offers first; none where it offers none.
    case any

    /// This one, without regard to case.
    case named(String)

    /// Reads what an application writes: nil for none, `*` for any; nil where that is no token.
    package init?(_ text: String?) {
        switch text {
        case nil: self = .absent
        case "*"?: self = .any
        case let name?:
            guard name.utf8.isToken else { return nil }
            self = .named(name)
        }
    }

    package static func == (left: RouteProtocol, right: RouteProtocol) -> Bool {
        switch (left, right) {
        case (.absent, .absent), (.any, .any): true
        case (.named(let left), .named(let right)): left.utf8.equalsIgnoringCase(right.utf8)
        case (.absent, _), (.any, _), (.named, _): false
        }
    }
}

extension RouteProtocol: CustomStringConvertible {
    package var description: String {
        switch self {
        case .absent: "none"
        case .any: "any"
        case .named(let name): name
        }
    }
}
