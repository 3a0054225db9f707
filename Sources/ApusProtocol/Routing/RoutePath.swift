// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// A path as routes are compared with: its segments, each decoded once.
///
/// Only of paths that every reader understands alike. Others resolve `..`, merge slashes or take
/// `%2F` for one, some before they ask and some after: what one guards, another would open.
package struct RoutePath: Equatable, Sendable {
    /// What stands between the slashes; the last one is empty behind a slash at the end.
    package let segments: [String]

    /// Takes a path apart; nil for one that does not begin with a slash, with an empty segment
    /// before the last, a segment `.` or `..`, a malformed escape, or one that stands for no UTF-8,
    /// a control character, a slash or a backslash.
    package init?(_ path: String) {
        guard path.utf8.first == .slash else { return nil }
        let parts = path.utf8.dropFirst().split(separator: .slash, omittingEmptySubsequences: false)
        var segments: [String] = []
        for (index, part) in parts.enumerated() {
            guard let segment = Self.decode(part), segment != ".", segment != "..",
                !segment.isEmpty || index == parts.count - 1,
                !segment.unicodeScalars.contains(where: Self.isAmbiguous)
            else { return nil }
            segments.append(segment)
        }
        self.segments = segments
    }

    /// What a segment stands for; nil where an escape is malformed, or it is no UTF-8.
    private static func decode(_ segment: some Sequence<UInt8>) -> String? {
        var bytes: [UInt8] = []
        var iterator = segment.makeIterator()
        while let byte = iterator.next() {
            guard byte == .percent else {
                bytes.append(byte)
                continue
            }
            guard let high = iterator.next()?.hexDigitValue,
                let low = iterator.next()?.hexDigitValue
            else { return nil }
            bytes.append(high << 4 | low)
        }
        return String(validating: bytes, as: UTF8.self)
    }

    /// Control characters are those of Unicode's category Cc, which never changes: no scalar has to be
    /// looked up.
    private static func isAmbiguous(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x00...0x1F, 0x7F...0x9F: true
        default: scalar == "/" || scalar == "\\"
        }
    }
}

extension UInt8 {
    /// What it stands for as a hexadecimal digit, RFC 3986 §2.1.
    var hexDigitValue: UInt8? {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): self - UInt8(ascii: "0")
        case UInt8(ascii: "A")...UInt8(ascii: "F"): self - UInt8(ascii: "A") + 10
        case UInt8(ascii: "a")...UInt8(ascii: "f"): self - UInt8(ascii: "a") + 10
        default: nil
        }
    }
}
