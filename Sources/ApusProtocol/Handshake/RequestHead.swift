// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// The request line and the fields of one HTTP/1.1 request, RFC 9112 §3 and §5.
///
/// Holds the bytes as they came, once, and where each field lies in them: two allocations however
/// many fields there are. Texts are made when they are asked for.
public struct RequestHead: Equatable, Sendable {
    /// Where a field's name and value lie in the head.
    struct Field: Equatable, Sendable {
        var name: Range<UInt32>
        var value: Range<UInt32>
    }

    /// The head as received, from its first byte to the last line end.
    let bytes: [UInt8]
    let methodRange: Range<UInt32>
    let targetRange: Range<UInt32>
    let fields: [Field]

    /// The method, in the case the client sent.
    public var method: String { text(methodRange) }

    /// The target as sent: visible ASCII, neither decoded nor normalised.
    public var target: String { text(targetRange) }

    /// How many field lines there are.
    public var fieldCount: Int { fields.count }

    /// The name of one field, in the case the client sent.
    public func name(at index: Int) -> String { text(fields[index].name) }

    /// The value of one field without the white space around it.
    ///
    /// Bytes that are not UTF-8 are replaced with U+FFFD.
    public func value(at index: Int) -> String { text(fields[index].value) }

    /// The values of all lines with this name, in the order received.
    ///
    /// - Complexity: linear in the number of fields, as all searches by name.
    public func values(of name: String) -> [String] {
        lines(of: name).map { String(decoding: $0, as: UTF8.self) }
    }

    /// The value of the first line with this name; nil without one.
    public func firstValue(of name: String) -> String? {
        fields.first { matches($0, name) }.map { text($0.value) }
    }

    /// Whether a line has this name, without regard to case.
    public func hasField(_ name: String) -> Bool {
        fields.contains { matches($0, name) }
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
        fields.contains { field in
            matches(field, name) && slice(field.value).listContains(element.utf8)
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
        fields.filter { matches($0, name) }.map { slice($0.value) }
    }

    /// How often a field that may come once is there.
    enum Occurrence {
        case never
        case once(ArraySlice<UInt8>)
        case repeated
    }

    func occurrence(of name: String) -> Occurrence {
        guard let first = fields.firstIndex(where: { matches($0, name) }) else { return .never }
        let isRepeated = fields[(first + 1)...].contains { matches($0, name) }
        return isRepeated ? .repeated : .once(slice(fields[first].value))
    }

    var methodBytes: ArraySlice<UInt8> { slice(methodRange) }
    var targetBytes: ArraySlice<UInt8> { slice(targetRange) }

    private func matches(_ field: Field, _ name: String) -> Bool {
        field.name.count == name.utf8.count && slice(field.name).equalsIgnoringCase(name.utf8)
    }

    private func slice(_ range: Range<UInt32>) -> ArraySlice<UInt8> {
        bytes[Int(range.lowerBound)..<Int(range.upperBound)]
    }

    private func text(_ range: Range<UInt32>) -> String {
        String(decoding: slice(range), as: UTF8.self)
    }
}
