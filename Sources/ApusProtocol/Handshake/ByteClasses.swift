// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// The characters that HTTP gives a meaning to, and the classes it sorts bytes into.
extension UInt8 {
    static let tab: UInt8 = 0x09
    static let lineFeed: UInt8 = 0x0A
    static let carriageReturn: UInt8 = 0x0D
    static let space: UInt8 = 0x20
    static let quote: UInt8 = 0x22
    static let numberSign: UInt8 = 0x23
    static let percent: UInt8 = 0x25
    static let asterisk: UInt8 = 0x2A
    static let comma: UInt8 = 0x2C
    static let hyphen: UInt8 = 0x2D
    static let dot: UInt8 = 0x2E
    static let slash: UInt8 = 0x2F
    static let colon: UInt8 = 0x3A
    static let semicolon: UInt8 = 0x3B
    static let equals: UInt8 = 0x3D
    static let question: UInt8 = 0x3F
    static let backslash: UInt8 = 0x5C
    static let underscore: UInt8 = 0x5F

    /// `tchar`, RFC 9110 §5.6.2.
    ///
    /// One bit per ASCII character, so that the test is a shift and not a search.
    var isTokenCharacter: Bool {
        switch self {
        case 0x00..<0x40: 0x03FF_6CFA_0000_0000 >> UInt64(self) & 1 == 1
        case 0x40..<0x80: 0x57FF_FFFF_C7FF_FFFE >> UInt64(self & 0x3F) & 1 == 1
        default: false
        }
    }

    /// Optional white space between the parts of a field, RFC 9110 §5.6.3.
    var isWhitespace: Bool { self == .space || self == .tab }

    /// What a field's value is made of: HTAB, SP, VCHAR and obs-text, RFC 9110 §5.5.
    var isFieldCharacter: Bool { self >= 0x20 && self != 0x7F || self == .tab }

    /// `VCHAR`: ASCII without controls and the space.
    var isVisible: Bool { self > 0x20 && self < 0x7F }

    var isLetter: Bool { lowercased >= 0x61 && lowercased <= 0x7A }

    var isDigit: Bool { self >= 0x30 && self <= 0x39 }

    var isHexDigit: Bool { isDigit || lowercased >= 0x61 && lowercased <= 0x66 }

    /// The small letter of an ASCII capital; every other byte as it is.
    var lowercased: UInt8 { self >= 0x41 && self <= 0x5A ? self | 0x20 : self }
}

extension Collection<UInt8> {
    /// `1*tchar`, RFC 9110 §5.6.2.
    var isToken: Bool { !isEmpty && allSatisfy(\.isTokenCharacter) }

    /// Whether the bytes are those of `text` without regard to the case of ASCII letters.
    func equalsIgnoringCase(_ text: some Collection<UInt8>) -> Bool {
        count == text.count && zip(self, text).allSatisfy { $0.lowercased == $1.lowercased }
    }
}

extension ArraySlice<UInt8> {
    /// Whether the comma-separated list has this element, without regard to case.
    func listContains(_ element: some Collection<UInt8>) -> Bool {
        var rest = self
        while let comma = rest.firstIndex(of: .comma) {
            if rest[..<comma].trimmed.equalsIgnoringCase(element) { return true }
            rest = rest[(comma + 1)...]
        }
        return rest.trimmed.equalsIgnoringCase(element)
    }

    /// The bytes without the white space around them.
    var trimmed: ArraySlice<UInt8> {
        guard let first = firstIndex(where: { !$0.isWhitespace }),
            let last = lastIndex(where: { !$0.isWhitespace })
        else { return self[endIndex...] }
        return self[first...last]
    }
}
