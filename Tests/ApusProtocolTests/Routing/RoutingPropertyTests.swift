// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol
import ApusTestSupport
import Testing

/// The table against a model that tries every pattern and sorts those that match.
@Suite struct `Routing of random paths` {
    private static let names = ["", "a", "b", ":x", ":y", "*", "**"]

    private static func pattern(using random: inout SplitMix) -> [String]? {
        let segments = (0..<Int.random(in: 1...4, using: &random)).map { _ in
            names[Int.random(in: names.indices, using: &random)]
        }
        let named = segments.filter { $0.hasPrefix(":") }
        guard !segments.dropLast().contains(where: { $0 == "" || $0 == "**" }),
            Set(named).count == named.count
        else { return nil }
        return segments
    }

    /// How specific each segment is; what two patterns that match the same paths have in common.
    private static func shape(of pattern: [String]) -> [Int] {
        pattern.map { $0 == "**" ? 2 : $0 == "*" || $0.hasPrefix(":") ? 1 : 0 }
    }

    private static func matches(_ pattern: [String], _ path: [String]) -> Bool {
        if pattern.last == "**" {
            guard path.count >= pattern.count else { return false }
        } else if path.count != pattern.count {
            return false
        }
        return zip(pattern, path).allSatisfy { segment, part in
            switch segment {
            case "**": true
            case "*", ":x", ":y": part != ""
            default: segment == part
            }
        }
    }

    @Test(arguments: 0..<40 as Range<UInt64>)
    func `table finds what the model finds`(seed: UInt64) throws {
        var random = SplitMix(seed: seed)
        var table = RouteTable<String>()
        var mounted: [[String]] = []
        for _ in 0..<200 {
            if let pattern = Self.pattern(using: &random) {
                let text = "/" + pattern.joined(separator: "/")
                let twin = mounted.firstIndex { other in
                    Self.shape(of: other) == Self.shape(of: pattern)
                        && zip(other, pattern).allSatisfy {
                            $0 == $1 || Self.shape(of: [$0]) != [0]
                        }
                }
                let read = try RoutePattern(text)
                if Bool.random(using: &random) {
                    #expect(table.insert(text, at: read, protocol: .absent) == (twin == nil))
                    if twin == nil { mounted.append(pattern) }
                } else {
                    #expect(table.remove(read, protocol: .absent) == (twin != nil))
                    if let twin { mounted.remove(at: twin) }
                }
            }
            var path = (0..<Int.random(in: 1...5, using: &random)).map { _ in
                ["a", "b", "c"][Int.random(in: 0..<3, using: &random)]
            }
            if Bool.random(using: &random) { path[path.count - 1] = "" }
            let expected =
                mounted
                .filter { Self.matches($0, path) }
                .min { Self.shape(of: $0).lexicographicallyPrecedes(Self.shape(of: $1)) }
                .map { "/" + $0.joined(separator: "/") }
            let found = Outcome(
                table.match(path: "/" + path.joined(separator: "/"), offers: [])
            )
            #expect(found.route == expected, "seed \(seed), path \(path)")
        }
    }

    /// Whatever bytes come, nothing that is decoded holds what the rules forbid.
    @Test(arguments: 0..<8 as Range<UInt64>)
    func `no parameter holds a slash, a control character or dots alone`(seed: UInt64) throws {
        var random = SplitMix(seed: seed)
        var table = RouteTable<String>()
        #expect(table.insert("one", at: try RoutePattern("/:a"), protocol: .absent))
        #expect(table.insert("rest", at: try RoutePattern("/**"), protocol: .absent))
        let pieces = ["/", ".", "%", "2", "e", "%2e", "%2F", "%5c", "%00", "a", "%C3%A9", "%e"]
        var routeCount = 0
        for _ in 0..<3000 {
            let path =
                "/"
                + (0..<Int.random(in: 0...6, using: &random))
                .map { _ in pieces[Int.random(in: pieces.indices, using: &random)] }.joined()
            guard
                case .route(_, _, let parameters) = table.match(path: path, offers: [])
            else { continue }
            routeCount += 1
            for segment in parameters.values.flatMap({ $0.split(separator: "/") }) {
                #expect(segment != "." && segment != ".." && !segment.contains("\\"))
                #expect(segment.unicodeScalars.allSatisfy { $0.value >= 0x20 }, "\(path)")
            }
            if let one = parameters["a"] { #expect(!one.isEmpty && !one.contains("/")) }
            #expect(parameters["**"]?.hasPrefix("/") != true)
        }
        #expect(routeCount > 100)
    }
}
