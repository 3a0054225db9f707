// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Glibc

/// `apus`: serves, and says whether this machine can.
@main
struct ApusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apus",
        abstract: "A WebSocket server over io_uring.",
        version: "0.1.0",
        subcommands: [ServeCommand.self, CheckCommand.self]
    )

    /// Parses and runs.
    ///
    /// A failure is one line on standard error and an exit code of sysexits.
    static func main() {
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch let failure as CommandFailure {
            end(failure)
        } catch {
            let code = exitCode(for: error)
            // Help and version are answers, not failures.
            guard code != .success else { exit(withError: error) }
            end(CommandFailure(exitCode: code.rawValue, message: message(for: error)))
        }
    }

    private static func end(_ failure: CommandFailure) -> Never {
        if !failure.message.isEmpty {
            let line = failure.message.split(whereSeparator: \.isNewline).joined(separator: " ")
            writeError("apus: \(line)\n")
        }
        Glibc.exit(failure.exitCode)
    }

    private static func writeError(_ text: String) {
        var text = text
        // Nowhere is left to report to if standard error does not take it.
        text.withUTF8 { _ = unsafe write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}

/// Why a command ends other than well.
struct CommandFailure: Error {
    var exitCode: Int32

    /// What, why, and how to cure it, in one line; empty where all was said before.
    var message: String
}
