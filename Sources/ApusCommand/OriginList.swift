// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol
import ArgumentParser

/// Whose pages may connect, as a flag takes it: `any`, or a list of patterns and `same-origin`.
struct OriginList: ExpressibleByArgument, CustomStringConvertible {
    let policy: OriginPolicy
    let description: String

    static let any = OriginList(policy: .any, description: "any")

    private init(policy: OriginPolicy, description: String) {
        self.policy = policy
        self.description = description
    }

    init?(argument: String) {
        guard argument != "any" else {
            self = .any
            return
        }
        var patterns: [OriginPattern] = []
        var takesSame = false
        for element in argument.split(separator: ",", omittingEmptySubsequences: false) {
            if element == "same-origin" {
                takesSame = true
                continue
            }
            do {
                patterns.append(try OriginPattern(String(element)))
            } catch {
                return nil
            }
        }
        self.init(policy: .allowed(patterns, orSame: takesSame), description: argument)
    }
}
