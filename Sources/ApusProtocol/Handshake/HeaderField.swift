// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// A field line to be sent, as name and value.
public struct HeaderField: Hashable, Sendable {
    /// A token, RFC 9110 §5.1.
    public var name: String

    /// The value without white space around it.
    public var value: String

    /// A field that is checked when it is put into a head, not here.
    public init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }

    /// Longer values are taken for a mistake; most clients refuse them anyhow.
    ///
    /// What a client may send (8 KiB) can be sent back, also where each byte was no UTF-8 and became
    /// a replacement character of three.
    private static let byteCountMax = 24_576

    /// Throws unless the field may stand in a head that says itself how it is framed.
    ///
    /// A name or value with a line end in it would let whoever chose it write fields, or a whole
    /// response, of their own.
    func check(isReserved: (String) -> Bool) throws(HandshakeError) {
        guard name.utf8.isToken, name.utf8.count <= Self.byteCountMax else {
            throw .fieldNameInvalid(name)
        }
        guard value.utf8.allSatisfy(\.isFieldCharacter), value.utf8.count <= Self.byteCountMax
        else { throw .fieldValueInvalid(name: name) }
        guard !isReserved(name.lowercased()) else { throw .fieldReserved(name) }
    }
}
