// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Lines for whoever waits for them: each is written at once.
package enum StandardOutput {
    package static func write(_ line: String) {
        // A closed standard output is the operator's choice; serving goes on.
        writeAll(line + "\n", to: STDOUT_FILENO)
    }
}

/// What a person is told while a command runs.
package enum StandardError {
    /// Writes a text as it is; nowhere is left to report to if it is not taken.
    package static func write(_ text: String) {
        writeAll(text, to: STDERR_FILENO)
    }

    /// Whether somebody looks at it.
    package static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }
}

/// Writes a text in as few calls as the descriptor allows; what it does not take is dropped.
private func writeAll(_ text: String, to descriptor: Int32) {
    var text = text
    text.withUTF8 { bytes in
        guard let start = bytes.baseAddress else { return }
        var offset = 0
        while offset < bytes.count {
            let count = unsafe write(descriptor, start + offset, bytes.count - offset)
            guard count > 0 else { return }
            offset += count
        }
    }
}
