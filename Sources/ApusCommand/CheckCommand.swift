// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCommandLine
import ApusRing
import ArgumentParser

struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Say whether this machine can serve, and what limits it.",
        discussion: "Exit code 0 if it can, 71 if the system refuses what is needed."
    )

    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
        let check = MachineCheck.inspect()
        StandardOutput.write(json ? check.json : check.text)
        if let refusal = check.refusal {
            throw CommandFailure(exitCode: 71, message: refusal)
        }
    }
}
