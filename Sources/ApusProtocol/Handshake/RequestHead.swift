// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// The request line and the fields of one HTTP/1.1 request, RFC 9112 §3 and §5.
public struct RequestHead: HTTPHead {
    /// The lines behind the request line.
    public let fieldLines: FieldLines
    let methodRange: Range<UInt32>
    let targetRange: Range<UInt32>

    /// The method, in the case the client sent.
    public var method: String { fieldLines.text(methodRange) }

    /// The target as sent: visible ASCII, neither decoded nor normalised.
    public var target: String { fieldLines.text(targetRange) }

    var methodBytes: ArraySlice<UInt8> { fieldLines.slice(methodRange) }
    var targetBytes: ArraySlice<UInt8> { fieldLines.slice(targetRange) }
}
