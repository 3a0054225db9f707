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
    var isTokenCharacter: Bool { isIn(0x03FF_6CFA_0000_0000, 0x57FF_FFFF_C7FF_FFFE) }

    /// `reg-name`, RFC 3986 §3.2.2, without the comma; what a `%` stands before is not looked at.
    var isNameCharacter: Bool { isIn(0x2BFF_6FF2_0000_0000, 0x47FF_FFFE_87FF_FFFE) }

    /// Whether a class has this character: one bit per ASCII character, so that the test is a shift
    /// and not a search.
    @inline(__always)
    private func isIn(_ low: UInt64, _ high: UInt64) -> Bool {
        self < 0x80 && (self < 0x40 ? low : high) &>> UInt64(self) & 1 == 1
    }

    /// Optional white space between the parts of a field, RFC 9110 §5.6.3.
    var isWhitespace: Bool { self == .space || self == .tab }

    /// What a field's value is made of: HTAB, SP, VCHAR and obs-text, RFC 9110 §5.5.
    var isFieldCharacter: Bool { self >= 0x20 && self != 0x7F || self == .tab }

    /// `VCHAR`: ASCII without controls and the space.
    var isVisible: Bool { self > 0x20 && self < 0x7F }

    /// What a request's target is made of: no fragment is sent.
    var isTargetCharacter: Bool { isVisible && self != .numberSign }

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

extension Span<UInt8> {
    func equalsIgnoringCase(_ text: Span<UInt8>) -> Bool {
        guard count == text.count else { return false }
        for index in indices where self[index] != text[index] {
            guard self[index].lowercased == text[index].lowercased else { return false }
        }
        return true
    }

    func equals(_ text: StaticString) -> Bool {
        // A static string's bytes stay where they are.
        count == text.utf8CodeUnitCount
            && indices.allSatisfy { unsafe self[$0] == text.utf8Start[$0] }
    }

    /// Where a run of token characters ends that begins at `start`, no farther than `end`.
    func endOfToken(from start: Int, to end: Int) -> Int {
        var index = start
        while index < end, self[index].isTokenCharacter { index += 1 }
        return index
    }

    /// Whether the comma-separated list has this element, without regard to case.
    func listContains(_ element: Span<UInt8>) -> Bool {
        var start = 0
        for end in 0...count where end == count || self[end] == .comma {
            if extracting(trimmed(start..<end)).equalsIgnoringCase(element) { return true }
            start = end + 1
        }
        return false
    }

    /// The part without the white space around it.
    func trimmed(_ part: Range<Int>) -> Range<Int> {
        var (start, end) = (part.lowerBound, part.upperBound)
        while start < end, self[start].isWhitespace { start += 1 }
        while start < end, self[end - 1].isWhitespace { end -= 1 }
        return start..<end
    }

    /// Where a run of field characters ends that begins at `start`, no farther than `end`.
    ///
    /// A tab may end it too: it is rare, and eight bytes at a time are tested without it.
    func endOfFieldCharacters(from start: Int, to end: Int) -> Int {
        var index = start
        while index + 8 <= end {
            let word = unsafe UInt64(
                littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self)
            )
            // The lowest bit that is set is that of the first byte below 0x20 or of the first 0x7F.
            let ones: UInt64 = 0x0101_0101_0101_0101
            let delete = word ^ (0x7F * ones)
            let found = ((word &- 0x20 * ones) & ~word | (delete &- ones) & ~delete) & (0x80 * ones)
            if found != 0 { return index + found.trailingZeroBitCount / 8 }
            index += 8
        }
        while index < end, self[index] >= 0x20, self[index] != 0x7F { index += 1 }
        return index
    }
}

extension ArraySlice<UInt8> {
    /// The bytes without the white space around them.
    var trimmed: ArraySlice<UInt8> {
        guard let first = firstIndex(where: { !$0.isWhitespace }),
            let last = lastIndex(where: { !$0.isWhitespace })
        else { return self[endIndex...] }
        return self[first...last]
    }
}
