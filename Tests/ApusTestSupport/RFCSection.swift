// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

package import Testing

/// The section of an RFC whose demand a test holds the code to.
///
/// Lets a reader, or a search, go from a MUST to its tests.
package struct RFCSection: TestTrait, SuiteTrait {
    package let document: String
    package let section: String

    package var isRecursive: Bool { true }

    package var comments: [Comment] { ["\(document) §\(section)"] }
}

extension Trait where Self == RFCSection {
    /// A section of the WebSocket protocol.
    package static func rfc6455(_ section: String) -> Self {
        RFCSection(document: "RFC 6455", section: section)
    }

    /// A section of the compression extensions of the WebSocket protocol.
    package static func rfc7692(_ section: String) -> Self {
        RFCSection(document: "RFC 7692", section: section)
    }

    /// A section of the semantics of HTTP.
    package static func rfc9110(_ section: String) -> Self {
        RFCSection(document: "RFC 9110", section: section)
    }

    /// A section of HTTP/1.1.
    package static func rfc9112(_ section: String) -> Self {
        RFCSection(document: "RFC 9112", section: section)
    }
}
