// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import CApusTLS

/// Why a certificate, what sessions have in common, or a session cannot be set up: one sentence.
package struct TLSSetupError: Error, Hashable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) {
        self.description = description
    }

    init(_ problem: apus_tls_problem) {
        var problem = problem
        description = unsafe withUnsafePointer(to: &problem.text) { text in
            let count = unsafe MemoryLayout.size(ofValue: text.pointee)
            return unsafe text.withMemoryRebound(to: CChar.self, capacity: count) {
                unsafe String(cString: $0)
            }
        }
    }
}
