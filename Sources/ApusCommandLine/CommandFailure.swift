// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

package import ArgumentParser
import Glibc

/// Why a command ends other than well.
package struct CommandFailure: Error {
    package var exitCode: Int32

    /// What, why, and how to cure it, in one line; empty where all was said before.
    package var message: String

    package init(exitCode: Int32, message: String) {
        self.exitCode = exitCode
        self.message = message
    }
}

extension ParsableCommand {
    /// Parses these arguments (nil: the process's) and runs what they ask for.
    ///
    /// A failure is one line on standard error that begins with the program's name, and an exit
    /// code of sysexits.
    package static func run(_ arguments: [String]? = nil, as program: String) {
        do {
            var command = try parseAsRoot(arguments)
            try command.run()
        } catch let failure as CommandFailure {
            end(failure, program)
        } catch {
            let code = exitCode(for: error)
            // Help and version are answers, not failures.
            guard code != .success else { exit(withError: error) }
            let failure = CommandFailure(exitCode: code.rawValue, message: message(for: error))
            end(failure, program)
        }
    }

    private static func end(_ failure: CommandFailure, _ program: String) -> Never {
        if !failure.message.isEmpty {
            let line = failure.message.split(whereSeparator: \.isNewline).joined(separator: " ")
            StandardError.write("\(program): \(line)\n")
        }
        Glibc.exit(failure.exitCode)
    }
}
