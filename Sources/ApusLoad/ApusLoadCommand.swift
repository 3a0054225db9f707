// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// `apus-load`: loads a WebSocket server and says what it did.
@main
struct ApusLoadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apus-load",
        abstract: "A load generator for WebSocket servers.",
        version: "0.1.0"
    )
}
