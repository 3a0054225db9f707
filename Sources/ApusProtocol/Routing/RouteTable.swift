// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// Which route a request takes, by its path first and by the subprotocols that it offers then.
///
/// Of the patterns that match the path the most specific one decides: at the first segment where
/// they differ, a literal goes before any one segment, and that before the rest. The order in which
/// they were added does not matter. Patterns that match the very same paths, whatever their
/// parameters are called, are one path with several subprotocols.
package struct RouteTable<Route: Sendable>: Sendable {
    /// What a request gets.
    package enum Match {
        case route(Route, protocol: String?, parameters: [String: String])
        /// The path may mean different things to different readers: 400.
        case malformedPath
        /// No pattern matches: 404.
        case noRoute
        /// The path has routes, but for these subprotocols: 400.
        case noProtocol(served: [RouteProtocol])
    }

    private struct Entry {
        let pattern: RoutePattern
        let `protocol`: RouteProtocol
        let route: Route
    }

    /// A place in the tree of all patterns; entries are where a pattern ends.
    private struct Node {
        var literals: [[UInt8]: Int] = [:]
        var one: Int?
        var rest: Int?
        var entries: [Entry] = []
    }

    private var nodes = [Node()]

    package init() {}

    /// Adds a route; false, and no change, if there is one for the same paths and subprotocol.
    package mutating func insert(
        _ route: Route,
        at pattern: RoutePattern,
        protocol: RouteProtocol
    ) -> Bool {
        var node = 0
        for segment in pattern.segments {
            if let next = child(of: node, segment) {
                node = next
                continue
            }
            nodes.append(Node())
            let next = nodes.count - 1
            switch segment {
            case .literal(let text): nodes[node].literals[Array(text.utf8)] = next
            case .one: nodes[node].one = next
            case .rest: nodes[node].rest = next
            }
            node = next
        }
        guard !nodes[node].entries.contains(where: { $0.protocol == `protocol` }) else {
            return false
        }
        nodes[node].entries.append(Entry(pattern: pattern, protocol: `protocol`, route: route))
        return true
    }

    /// Removes the route for these paths and this subprotocol; false if there is none.
    package mutating func remove(_ pattern: RoutePattern, protocol: RouteProtocol) -> Bool {
        var node = 0
        for segment in pattern.segments {
            guard let next = child(of: node, segment) else { return false }
            node = next
        }
        guard let index = nodes[node].entries.firstIndex(where: { $0.protocol == `protocol` })
        else { return false }
        nodes[node].entries.remove(at: index)
        return true
    }

    private func child(of node: Int, _ segment: RoutePattern.Segment) -> Int? {
        switch segment {
        case .literal(let text): nodes[node].literals[Array(text.utf8)]
        case .one: nodes[node].one
        case .rest: nodes[node].rest
        }
    }

    /// The route of a request, by its path as sent and its offers in their order.
    ///
    /// The first offer that a route serves wins; ``RouteProtocol/any`` serves each, where no other
    /// route does.
    ///
    /// - Complexity: at most the number of nodes in the tree, since each is reached by one way.
    package func match(path: String, offers: [String]) -> Match {
        guard let path = RoutePath(path) else { return .malformedPath }
        guard let node = node(for: path.segments[...], below: 0) else { return .noRoute }
        let entries = nodes[node].entries
        for offer in offers.isEmpty ? [nil] : offers.map(Optional.some) {
            let wanted = offer.map(RouteProtocol.named) ?? .absent
            guard
                let entry = entries.first(where: { $0.protocol == wanted })
                    ?? entries.first(where: { $0.protocol == .any })
            else { continue }
            return .route(
                entry.route,
                protocol: offer,
                parameters: entry.pattern.parameters(of: path)
            )
        }
        return .noProtocol(served: entries.map(\.protocol))
    }

    /// Where the most specific pattern for these segments ends.
    private func node(for segments: ArraySlice<String>, below node: Int) -> Int? {
        guard let segment = segments.first else {
            return nodes[node].entries.isEmpty ? nil : node
        }
        let others = segments.dropFirst()
        if let next = nodes[node].literals[Array(segment.utf8)],
            let found = self.node(for: others, below: next)
        {
            return found
        }
        if !segment.isEmpty, let next = nodes[node].one,
            let found = self.node(for: others, below: next)
        {
            return found
        }
        return nodes[node].rest.flatMap { nodes[$0].entries.isEmpty ? nil : $0 }
    }
}
