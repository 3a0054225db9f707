// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// The field lines of a head, RFC 9112 §5, as they came.
///
/// Holds the head's bytes once, and where each field lies in them: two allocations however many
/// fields there are. What is in it is asked of the head, see ``HTTPHead``.
public struct FieldLines: Equatable, Sendable {
    /// Where a field's name and value lie in the head.
    struct Field: Equatable, Sendable {
        var name: Range<UInt32>
        var value: Range<UInt32>
    }

    /// The head as received, from its first byte to the last line end.
    let bytes: [UInt8]
    let fields: [Field]

    func slice(_ range: Range<UInt32>) -> ArraySlice<UInt8> {
        bytes[Int(range.lowerBound)..<Int(range.upperBound)]
    }

    func text(_ range: Range<UInt32>) -> String {
        String(decoding: slice(range), as: UTF8.self)
    }

    func matches(_ field: Field, _ name: String) -> Bool {
        field.name.count == name.utf8.count && slice(field.name).equalsIgnoringCase(name.utf8)
    }
}

/// What has field lines: a request's head, or a response's.
///
/// Texts are made when they are asked for.
public protocol HTTPHead: Equatable, Sendable {
    /// The lines behind the first one, up to the empty one.
    var fieldLines: FieldLines { get }
}

extension HTTPHead {
    /// How many field lines there are.
    public var fieldCount: Int { fieldLines.fields.count }

    /// The name of one field, in the case the peer sent.
    public func name(at index: Int) -> String { fieldLines.text(fieldLines.fields[index].name) }

    /// The value of one field without the white space around it.
    ///
    /// Bytes that are not UTF-8 are replaced with U+FFFD.
    public func value(at index: Int) -> String { fieldLines.text(fieldLines.fields[index].value) }

    /// The values of all lines with this name, in the order received.
    ///
    /// - Complexity: linear in the number of fields, as all searches by name.
    public func values(of name: String) -> [String] {
        lines(of: name).map { String(decoding: $0, as: UTF8.self) }
    }

    /// The value of the first line with this name; nil without one.
    public func firstValue(of name: String) -> String? {
        fieldLines.fields.first { fieldLines.matches($0, name) }.map { fieldLines.text($0.value) }
    }

    /// Whether a line has this name, without regard to case.
    public func hasField(_ name: String) -> Bool {
        fieldLines.fields.contains { fieldLines.matches($0, name) }
    }

    /// The elements of a comma-separated list over all lines with this name, RFC 9110 §5.6.1.
    ///
    /// Empty elements are left out. A comma inside a quoted string separates as well, so this is for
    /// lists of tokens such as `Connection`.
    public func list(of name: String) -> [String] {
        elements(of: name).filter { !$0.isEmpty }.map { String(decoding: $0, as: UTF8.self) }
    }

    /// Whether such a list has this element, without regard to case.
    public func list(of name: String, contains element: String) -> Bool {
        fieldLines.fields.contains { field in
            fieldLines.matches(field, name)
                && fieldLines.slice(field.value).listContains(element.utf8)
        }
    }

    /// The elements of the list, empty ones too.
    func elements(of name: String) -> [ArraySlice<UInt8>] {
        lines(of: name).flatMap { line in
            line.split(separator: .comma, omittingEmptySubsequences: false).map(\.trimmed)
        }
    }

    /// The bytes of the values of all lines with this name.
    func lines(of name: String) -> [ArraySlice<UInt8>] {
        fieldLines.fields.filter { fieldLines.matches($0, name) }
            .map { fieldLines.slice($0.value) }
    }

    func occurrence(of name: String) -> FieldOccurrence {
        let fields = fieldLines.fields
        guard let first = fields.firstIndex(where: { fieldLines.matches($0, name) }) else {
            return .never
        }
        let isRepeated = fields[(first + 1)...].contains { fieldLines.matches($0, name) }
        return isRepeated ? .repeated : .once(fieldLines.slice(fields[first].value))
    }
}

/// How often a field that may come once is there.
enum FieldOccurrence {
    case never
    case once(ArraySlice<UInt8>)
    case repeated
}
