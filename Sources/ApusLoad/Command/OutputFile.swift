// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCommandLine
import FoundationEssentials

enum OutputFile {
    /// Writes a file anew.
    static func write(_ text: String, to path: String) throws(CommandFailure) {
        do {
            try Data(text.utf8).write(to: URL(filePath: path))
        } catch {
            throw CommandFailure(exitCode: 73, message: "cannot write \(path): \(error)")
        }
    }
}
