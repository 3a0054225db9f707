// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// An IPv4 or IPv6 address, compared by value and not by spelling.
///
/// An IPv4 address that is mapped into IPv6 (`::ffff:192.0.2.1`) is that IPv4 address.
struct IPAddress: Hashable, Sendable {
    /// The first and the last eight bytes of the IPv6 form.
    let high: UInt64
    let low: UInt64

    /// An IPv4 address of four bytes or an IPv6 address of sixteen; traps for other counts.
    init(bytes: ArraySlice<UInt8>) {
        precondition(bytes.count == 4 || bytes.count == 16, "an address of \(bytes.count) bytes")
        high = bytes.dropLast(8).reduce(0) { $0 << 8 | UInt64($1) }
        low = bytes.suffix(8).reduce(bytes.count == 4 ? 0xFFFF : 0) { $0 << 8 | UInt64($1) }
    }

    /// Reads an address without brackets, port or zone; nil for what is none.
    init?(_ text: ArraySlice<UInt8>) {
        if text.contains(.colon) {
            guard let groups = Self.groups(text) else { return nil }
            self.init(bytes: groups.flatMap { [UInt8($0 >> 8), UInt8($0 & 255)] }[...])
        } else {
            guard let bytes = Self.quad(text) else { return nil }
            self.init(bytes: bytes[...])
        }
    }

    var isIPv4: Bool { high == 0 && low >> 32 == 0xFFFF }

    /// Whether the first bits, counted from the start of the IPv6 form, are those of another.
    func agrees(with other: IPAddress, inFirst bitCount: Int) -> Bool {
        // Shifts by 64 give 0.
        (high ^ other.high) >> UInt64(max(0, 64 - bitCount)) == 0
            && (low ^ other.low) >> UInt64(min(64, 128 - bitCount)) == 0
    }

    // MARK: Reading

    /// Four decimal numbers; none has a zero in front, which some read as octal.
    private static func quad(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        let parts = text.split(separator: .dot, omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var bytes: [UInt8] = []
        for part in parts {
            guard let number = part.decimal(digitCountMax: 3), number <= 255 else { return nil }
            bytes.append(UInt8(number))
        }
        return bytes
    }

    /// Eight groups, RFC 4291 §2.2: `::` stands for one or more zeros, a quad for the last two.
    private static func groups(_ text: ArraySlice<UInt8>) -> [UInt16]? {
        var parts = text.split(separator: .colon, omittingEmptySubsequences: false)[...]
        // A colon at an end is half of a `::`; the empty part that is left marks the gap.
        if parts.first?.isEmpty == true {
            guard parts.count > 2, parts.removeFirst().isEmpty, parts.first?.isEmpty == true else {
                return nil
            }
        }
        if parts.last?.isEmpty == true, parts.count > 1 {
            guard parts.removeLast().isEmpty, parts.last?.isEmpty == true else { return nil }
        }
        var groups: [UInt16] = []
        var gap: Int?
        for (index, part) in zip(parts.indices, parts) {
            if part.isEmpty {
                guard gap == nil else { return nil }
                gap = groups.count
            } else if part.contains(.dot), index == parts.indices.last {
                guard let quad = quad(part) else { return nil }
                groups.append(UInt16(quad[0]) << 8 | UInt16(quad[1]))
                groups.append(UInt16(quad[2]) << 8 | UInt16(quad[3]))
            } else {
                guard part.count <= 4, part.allSatisfy(\.isHexDigit),
                    let group = UInt16(String(decoding: part, as: UTF8.self), radix: 16)
                else { return nil }
                groups.append(group)
            }
        }
        guard groups.count <= 8 else { return nil }
        guard let gap else { return groups.count == 8 ? groups : nil }
        guard groups.count < 8 else { return nil }
        groups.insert(contentsOf: repeatElement(0, count: 8 - groups.count), at: gap)
        return groups
    }
}

extension IPAddress: CustomStringConvertible {
    /// The one spelling of RFC 5952; dotted for IPv4.
    var description: String {
        if isIPv4 {
            return "\(low >> 24 & 255).\(low >> 16 & 255).\(low >> 8 & 255).\(low & 255)"
        }
        let groups = [high, low].flatMap { half in
            [48, 32, 16, 0].map { UInt16(truncatingIfNeeded: half >> UInt64($0)) }
        }
        // The first of the longest runs of zeros, if it is more than one.
        var gap = 0..<0
        for start in groups.indices {
            let end = groups[start...].firstIndex { $0 != 0 } ?? groups.endIndex
            if end - start > max(1, gap.count) { gap = start..<end }
        }
        func text(_ range: Range<Int>) -> String {
            groups[range].map { String($0, radix: 16) }.joined(separator: ":")
        }
        if gap.isEmpty { return text(0..<8) }
        return "\(text(0..<gap.lowerBound))::\(text(gap.upperBound..<8))"
    }
}

extension ArraySlice<UInt8> {
    /// A decimal number without a sign or a zero in front; nil for what is none, or has more digits.
    func decimal(digitCountMax: Int) -> Int? {
        guard 1...digitCountMax ~= count, allSatisfy(\.isDigit),
            count == 1 || first != UInt8(ascii: "0")
        else { return nil }
        return reduce(0) { $0 * 10 + Int($1 - 0x30) }
    }
}
