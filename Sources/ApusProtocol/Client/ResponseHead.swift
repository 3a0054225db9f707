// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// The status line and the fields of one HTTP/1.1 response, RFC 9112 §4 and §5.
public struct ResponseHead: HTTPHead {
    /// The lines behind the status line.
    public let fieldLines: FieldLines

    /// The status code: 100 to 599.
    public let status: Int

    /// The minor version of HTTP/1: 0, 1, and those that may come.
    let minorVersion: Int
    let reasonRange: Range<UInt32>

    /// What stands behind the status; often empty, and nothing to rely on.
    public var reason: String { fieldLines.text(reasonRange) }
}
