// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCommandLine

/// `apus-load`: loads a WebSocket server and says what it did.
///
/// `apus-load compare` is a command of its own; so is what this program starts itself with.
@main
enum ApusLoadCommand {
    static func main() {
        let arguments = Array(CommandLine.arguments.dropFirst())
        switch arguments.first {
        case "compare":
            CompareCommand.run(Array(arguments.dropFirst()), as: "apus-load")
        case LoadProcess.argument:
            LoadProcess.main()
        default:
            LoadCommand.run(arguments, as: "apus-load")
        }
    }
}
