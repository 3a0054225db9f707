// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// Why a plan cannot be carried out at all; what befalls single connections is in the report.
struct LoadFailure: Error, Equatable, Codable {
    /// Whose fault it is, as sysexits have it.
    enum Kind: String, Codable {
        /// The plan makes no sense.
        case usage
        /// Something that it needs is not there.
        case unavailable
        /// The system refuses.
        case system
    }

    let kind: Kind
    /// One line: what, why and, where there is one, the cure.
    let reason: String

    init(_ kind: Kind, _ reason: String) {
        self.kind = kind
        self.reason = reason
    }
}
