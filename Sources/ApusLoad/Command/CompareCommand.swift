// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCommandLine
import ArgumentParser
import FoundationEssentials

struct CompareCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apus-load compare",
        abstract: "Compare two results.",
        discussion: """
            Says how the second run did beside the first, and what makes the two incomparable. A \
            single run each tells of large differences alone: alternate several, and look at the \
            median of the ratios.
            """
    )

    @Argument(help: ArgumentHelp("What --json printed.", valueName: "a.json"))
    var first: String

    @Argument(help: ArgumentHelp("What --json printed another time.", valueName: "b.json"))
    var second: String

    func run() throws {
        let comparison = Comparison(try Self.read(first), try Self.read(second))
        StandardOutput.write(comparison.text)
    }

    static func read(_ path: String) throws(CommandFailure) -> LoadResult {
        guard let text = SystemFile.text(path) else {
            throw CommandFailure(
                exitCode: 66,
                message: "cannot read \(path): \(SystemFile.latestError)"
            )
        }
        do {
            return try JSONDecoder().decode(LoadResult.self, from: Data(text.utf8))
        } catch {
            var message = "\(path) is not what apus-load --json printed"
            if case DecodingError.keyNotFound(let key, _) = error {
                message += ": it has no \(key.stringValue)"
            }
            throw CommandFailure(exitCode: 65, message: message)
        }
    }
}
