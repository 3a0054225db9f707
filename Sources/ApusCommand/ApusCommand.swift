// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCommandLine
import ArgumentParser

/// `apus`: serves, and says whether this machine can.
@main
struct ApusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apus",
        abstract: "A WebSocket server over io_uring.",
        version: "0.1.0",
        subcommands: [ServeCommand.self, CheckCommand.self]
    )

    static func main() {
        run(as: "apus")
    }
}
