// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// How a worker ended.
package enum WorkerEnd: Equatable, Sendable {
    /// It returned, or called exit, with this code.
    case exited(code: Int32)

    /// This signal ended it.
    case signaled(signal: Int32)
}

extension WorkerEnd: CustomStringConvertible {
    package var description: String {
        switch self {
        case .exited(let code): "exited with code \(code)"
        case .signaled(let signal): "was ended by signal \(signal)"
        }
    }
}
