// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// The paths that a route is for, as its application writes them.
///
/// | segment         | takes                                                          |
/// |-----------------|----------------------------------------------------------------|
/// | `chat`          | this one, as it reads decoded, with regard to case             |
/// | `:room`         | any one that is not empty: the parameter `room`                |
/// | `*`             | the same, without a name                                       |
/// | `**`, the last  | all that follows its slash, be it nothing: the parameter `**`  |
package struct RoutePattern: Sendable, CustomStringConvertible {
    enum Segment: Equatable {
        case literal(String)
        case one(name: String?)
        case rest
    }

    let segments: [Segment]

    /// As it was written.
    package let description: String

    /// Reads a pattern; throws for what is none, or could not match any path.
    package init(_ pattern: String) throws(RoutePatternError) {
        guard pattern.utf8.first == .slash else {
            throw RoutePatternError(pattern, "begins with no slash (every path: /**)")
        }
        guard !pattern.utf8.contains(.percent) else {
            throw RoutePatternError(pattern, "has a percent sign: write what it stands for itself")
        }
        guard let path = RoutePath(pattern) else {
            throw RoutePatternError(pattern, "has a segment that no path may have")
        }
        var segments: [Segment] = []
        var names: Set<String> = []
        for (index, segment) in path.segments.enumerated() {
            switch segment {
            case "*":
                segments.append(.one(name: nil))
            case "**":
                guard index == path.segments.count - 1 else {
                    throw RoutePatternError(pattern, "has a ** before its end")
                }
                segments.append(.rest)
            case _ where segment.utf8.first == .colon:
                let name = String(segment.dropFirst())
                guard !name.isEmpty,
                    name.utf8.allSatisfy({ $0.isLetter || $0.isDigit || $0 == .underscore })
                else {
                    throw RoutePatternError(
                        pattern,
                        "has a parameter whose name is not of letters, digits and underscores"
                    )
                }
                guard names.insert(name).inserted else {
                    throw RoutePatternError(pattern, "has two parameters \(name)")
                }
                segments.append(.one(name: name))
            case _ where segment.utf8.contains(.asterisk):
                throw RoutePatternError(pattern, "has a * in a segment with other characters")
            default:
                segments.append(.literal(segment))
            }
        }
        self.segments = segments
        description = pattern
    }

    /// What the path has where this pattern, which matches it, has parameters.
    func parameters(of path: RoutePath) -> [String: String] {
        var parameters: [String: String] = [:]
        for (index, segment) in segments.enumerated() {
            switch segment {
            case .literal, .one(name: nil): break
            case .one(let name?): parameters[name] = path.segments[index]
            case .rest: parameters["**"] = path.segments[index...].joined(separator: "/")
            }
        }
        return parameters
    }
}

/// Why a ``RoutePattern`` cannot be taken.
package struct RoutePatternError: Error, Equatable, CustomStringConvertible {
    package let description: String

    init(_ pattern: String, _ problem: String) {
        description = "the pattern \(pattern) \(problem)"
    }
}
