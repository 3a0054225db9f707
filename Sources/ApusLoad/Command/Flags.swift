// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCommandLine
import ArgumentParser

/// Bytes of a message as a flag takes them: `20`, `1KiB`, `20-1000`.
struct SizeRange: ExpressibleByArgument, CustomStringConvertible {
    let bytes: ClosedRange<Int>

    init(_ bytes: ClosedRange<Int>) {
        self.bytes = bytes
    }

    init?(argument: String) {
        let ends = argument.split(separator: "-", omittingEmptySubsequences: false)
            .map { ByteSize(argument: String($0))?.byteCount }
        guard ends.count <= 2, let least = ends[0], let most = ends[ends.count - 1], least <= most
        else { return nil }
        bytes = least...most
    }

    var description: String {
        bytes.count == 1
            ? "\(ByteSize(bytes.lowerBound))"
            : "\(ByteSize(bytes.lowerBound))-\(ByteSize(bytes.upperBound))"
    }
}

/// Addresses to connect from as a flag takes them: IPv4 ranges and single addresses, with commas.
struct SourceAddresses: ExpressibleByArgument, CustomStringConvertible {
    /// More make no sense: each has tens of thousands of ports.
    static let countMax = 65536

    var addresses: [String]

    init(addresses: [String]) {
        self.addresses = addresses
    }

    init?(argument: String) {
        addresses = []
        for element in argument.split(separator: ",", omittingEmptySubsequences: false) {
            let ends = element.split(separator: "-", omittingEmptySubsequences: false)
            let numbers = ends.map(Self.number)
            if ends.count == 2, let first = numbers[0], let last = numbers[1] {
                guard first <= last, Int(last - first) < Self.countMax - addresses.count else {
                    return nil
                }
                addresses += (first...last).map(Self.text)
            } else if ends.count == 1, numbers[0] != nil || Self.isIPv6(element) {
                addresses.append(String(element))
            } else {
                return nil
            }
        }
    }

    var description: String { addresses.joined(separator: ",") }

    /// An IPv4 address as a number.
    private static func number(_ text: Substring) -> UInt32? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        let bytes = parts.compactMap { UInt8($0) }
        guard parts.count == 4, bytes.count == 4, !text.contains("+") else { return nil }
        return bytes.reduce(0) { $0 << 8 | UInt32($1) }
    }

    private static func text(_ number: UInt32) -> String {
        [24, 16, 8, 0].map { "\(number >> $0 & 255)" }.joined(separator: ".")
    }

    /// Roughly; whoever connects from it finds out.
    private static func isIPv6(_ text: Substring) -> Bool {
        text.contains(":") && text.allSatisfy { $0.isHexDigit || $0 == ":" || $0 == "." }
    }
}

/// A field of the request as a flag takes it: `Name: value`.
struct RequestField: ExpressibleByArgument {
    let name: String
    let value: String

    init?(argument: String) {
        guard let colon = argument.firstIndex(of: ":") else { return nil }
        name = String(argument[..<colon])
        let value = argument[argument.index(after: colon)...].drop { $0 == " " }
        self.value = String(value)
        // RFC 9110 §5.1: a name is a token.
        guard !name.isEmpty, name.utf8.allSatisfy(Self.isToken),
            value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F })
        else { return nil }
    }

    private static func isToken(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "a")...UInt8(ascii: "z"):
            true
        default:
            "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }
}
