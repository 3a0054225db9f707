// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// The exit codes of sysexits that mean the same for a worker and for the whole.
package enum ExitCode {
    /// The command line is wrong.
    package static let usage: Int32 = 64

    /// It cannot serve: the port is in use, a worker never got ready.
    package static let unavailable: Int32 = 69

    /// The system refuses: io_uring, fork.
    package static let system: Int32 = 71

    /// The configuration is wrong.
    package static let configuration: Int32 = 78

    /// Whether a worker that ends with the code says that another try would fail alike.
    static func isFatal(_ code: Int32) -> Bool {
        [usage, unavailable, system, configuration].contains(code)
    }
}
