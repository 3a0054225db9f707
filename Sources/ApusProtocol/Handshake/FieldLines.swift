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
        var known = KnownField.other
    }

    /// The head as received, from its first byte to the last line end.
    let bytes: [UInt8]
    let fields: [Field]
    private let present: KnownFields
    private let repeated: KnownFields

    init(bytes: [UInt8], fields: consuming [Field]) {
        var present: KnownFields = []
        var repeated: KnownFields = []
        let span = bytes.span
        for index in fields.indices {
            let name = fields[index].name
            let known = KnownField(span.extracting(Int(name.lowerBound)..<Int(name.upperBound)))
            guard known != .other else { continue }
            fields[index].known = known
            if present.contains(KnownFields(known)) { repeated.insert(KnownFields(known)) }
            present.insert(KnownFields(known))
        }
        self.bytes = bytes
        self.fields = fields
        self.present = present
        self.repeated = repeated
    }

    func slice(_ range: Range<UInt32>) -> ArraySlice<UInt8> {
        bytes[Int(range.lowerBound)..<Int(range.upperBound)]
    }

    func text(_ range: Range<UInt32>) -> String {
        String(decoding: slice(range), as: UTF8.self)
    }

    func matches(_ field: Field, _ name: String) -> Bool {
        field.name.count == name.utf8.count && slice(field.name).equalsIgnoringCase(name.utf8)
    }

    func has(_ known: KnownField) -> Bool { present.contains(KnownFields(known)) }

    func isRepeated(_ known: KnownField) -> Bool { repeated.contains(KnownFields(known)) }

    /// The value of the first line that is this field; nil without one.
    func first(_ known: KnownField) -> ArraySlice<UInt8>? {
        guard has(known) else { return nil }
        return fields.first { $0.known == known }.map { slice($0.value) }
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
        fieldLines.fields.filter { fieldLines.matches($0, name) }.map { fieldLines.text($0.value) }
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
        elements { fieldLines.matches($0, name) }.filter { !$0.isEmpty }
            .map { String(decoding: $0, as: UTF8.self) }
    }

    /// Whether such a list has this element, without regard to case.
    public func list(of name: String, contains element: String) -> Bool {
        list(where: { fieldLines.matches($0, name) }, contains: element)
    }

    private func list(where isOfList: (FieldLines.Field) -> Bool, contains element: String) -> Bool
    {
        fieldLines.fields.contains { field in
            isOfList(field)
                && fieldLines.slice(field.value).span.listContains(element.utf8.span)
        }
    }

    private func elements(where isOfList: (FieldLines.Field) -> Bool) -> [ArraySlice<UInt8>] {
        var elements: [ArraySlice<UInt8>] = []
        for field in fieldLines.fields where isOfList(field) {
            var rest = fieldLines.slice(field.value)
            while let comma = rest.firstIndex(of: .comma) {
                elements.append(rest[..<comma].trimmed)
                rest = rest[(comma + 1)...]
            }
            elements.append(rest.trimmed)
        }
        return elements
    }
}

/// What the rules ask.
extension HTTPHead {
    func hasField(_ known: KnownField) -> Bool { fieldLines.has(known) }

    func firstValue(of known: KnownField) -> String? {
        fieldLines.first(known).map { String(decoding: $0, as: UTF8.self) }
    }

    func occurrence(of known: KnownField) -> FieldOccurrence {
        if fieldLines.isRepeated(known) { return .repeated }
        return fieldLines.first(known).map(FieldOccurrence.once) ?? .never
    }

    /// The bytes of the values of all lines that are this field.
    func lines(of known: KnownField) -> [ArraySlice<UInt8>] {
        guard hasField(known) else { return [] }
        return fieldLines.fields.compactMap {
            $0.known == known ? fieldLines.slice($0.value) : nil
        }
    }

    /// The elements of the list, empty ones too.
    func elements(of known: KnownField) -> [ArraySlice<UInt8>] {
        hasField(known) ? elements { $0.known == known } : []
    }

    func list(of known: KnownField, contains element: String) -> Bool {
        hasField(known) && list(where: { $0.known == known }, contains: element)
    }
}

/// How often a field that may come once is there.
enum FieldOccurrence {
    case never
    case once(ArraySlice<UInt8>)
    case repeated
}
