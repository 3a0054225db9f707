// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// How far the reading of a head has come.
enum HeadProgress<Violation: Equatable>: Equatable {
    case incomplete
    /// The head ends before this place in the piece.
    case complete(consumed: Int)
    case broken(Violation)
}

/// What no field line, of a request or a response, may be.
enum FieldViolation: Equatable {
    case malformedLineEnd, foldedLine, malformedFieldName, malformedFieldValue
    case fieldLineTooLong, tooManyFields, headTooLong
}

/// Reads the field lines of a head, up to the empty line behind them.
///
/// A line that lies whole in a piece and breaks no rule is read in one go, any other one byte by
/// byte, and the first byte that no head could have at its place ends the reading. It keeps positions
/// only; the caller keeps the bytes.
struct FieldLineParser {
    /// What the next byte belongs to.
    private enum State {
        case lineStart, name, valueStart, value, fieldFeed, headFeed, complete
    }

    /// What browsers send fits without a second allocation.
    private static let usualFieldCount = 16

    let limits: HandshakeLimits
    private var state = State.lineStart
    /// How many bytes of the head were read, those of its first line too; the position of the byte
    /// at hand.
    var position = 0
    private var fields: [FieldLines.Field] = []
    /// Where the line at hand starts, and the parts of it, kept apart from `fields` until it ends:
    /// an array costs more to write to than a number.
    private var start = 0
    private var nameEnd = 0
    private var valueStart = 0
    private var valueEnd = 0

    init(limits: HandshakeLimits) {
        self.limits = limits
    }

    /// Reads a piece from `first` on, not beyond the end of the head.
    mutating func read(_ bytes: Span<UInt8>, from first: Int) -> HeadProgress<FieldViolation> {
        var index = first
        let end = min(bytes.count, first + limits.headByteCountMax - position)
        while index < end {
            if state == .lineStart, let next = readWholeLine(bytes, from: index, to: end) {
                position += next - index
                index = next
                continue
            }
            if let violation = read(bytes[index]) { return .broken(violation) }
            position += 1
            index += 1
            if state == .complete { return .complete(consumed: index) }
        }
        return index < bytes.count ? .broken(.headTooLong) : .incomplete
    }

    /// The lines, once they are complete, of the head with these bytes; only once.
    mutating func takeLines(of bytes: [UInt8]) -> FieldLines {
        var taken: [FieldLines.Field] = []
        swap(&taken, &fields)
        return FieldLines(bytes: bytes, fields: taken)
    }

    /// A part of the head; positions are below its limit, which 32 bits hold.
    static func range(_ range: Range<Int>) -> Range<UInt32> {
        UInt32(truncatingIfNeeded: range.lowerBound)..<UInt32(truncatingIfNeeded: range.upperBound)
    }

    /// Reads a line that lies whole in the piece, as nearly all do; returns where the next begins.
    ///
    /// Nil for one that does not or that breaks a rule: which one, the states judge.
    @inline(__always)
    private mutating func readWholeLine(
        _ bytes: Span<UInt8>,
        from first: Int,
        to end: Int
    ) -> Int? {
        let colon = bytes.endOfToken(from: first, to: end)
        guard first < colon, colon < end, bytes[colon] == .colon else { return nil }
        let lineEnd = bytes.endOfFieldCharacters(from: colon + 1, to: end)
        guard lineEnd + 1 < end, bytes[lineEnd] == .carriageReturn, bytes[lineEnd + 1] == .lineFeed,
            lineEnd - first <= limits.fieldLineByteCountMax, fields.count < limits.fieldCountMax
        else { return nil }
        let value = bytes.trimmed(colon + 1..<lineEnd)
        let offset = position - first
        append(
            name: first + offset..<colon + offset,
            value: value.lowerBound + offset..<value.upperBound + offset
        )
        return lineEnd + 2
    }

    @inline(__always)
    private mutating func append(name: Range<Int>, value: Range<Int>) {
        if fields.isEmpty { fields.reserveCapacity(Self.usualFieldCount) }
        fields.append(FieldLines.Field(name: Self.range(name), value: Self.range(value)))
    }

    private mutating func read(_ byte: UInt8) -> FieldViolation? {
        switch state {
        case .lineStart: return readLineStart(byte)
        case .name: return readName(byte)
        case .valueStart: return readValueStart(byte)
        case .value: return readValue(byte)
        case .fieldFeed: return feed(byte, to: .lineStart)
        case .headFeed: return feed(byte, to: .complete)
        case .complete: preconditionFailure("a complete head was given more bytes")
        }
    }

    private mutating func proceed(to next: State) -> FieldViolation? {
        state = next
        return nil
    }

    /// Lines end with CRLF and nothing else: what one reader takes for a line end and the next one
    /// does not is how requests are smuggled, RFC 9112 §2.2 and §11.2.
    private mutating func feed(_ byte: UInt8, to next: State) -> FieldViolation? {
        byte == .lineFeed ? proceed(to: next) : .malformedLineEnd
    }

    private mutating func readLineStart(_ byte: UInt8) -> FieldViolation? {
        if byte == .carriageReturn { return proceed(to: .headFeed) }
        if byte == .lineFeed { return .malformedLineEnd }
        if byte.isWhitespace { return .foldedLine }
        guard byte.isTokenCharacter else { return .malformedFieldName }
        guard fields.count < limits.fieldCountMax else { return .tooManyFields }
        start = position
        return proceed(to: .name)
    }

    private mutating func readName(_ byte: UInt8) -> FieldViolation? {
        guard position - start < limits.fieldLineByteCountMax else { return .fieldLineTooLong }
        if byte == .colon {
            nameEnd = position
            return proceed(to: .valueStart)
        }
        return byte.isTokenCharacter ? nil : .malformedFieldName
    }

    private mutating func readValueStart(_ byte: UInt8) -> FieldViolation? {
        if byte.isWhitespace {
            return position - start < limits.fieldLineByteCountMax ? nil : .fieldLineTooLong
        }
        // The value is empty until a byte of it is seen.
        valueStart = position
        valueEnd = position
        state = .value
        return readValue(byte)
    }

    private mutating func readValue(_ byte: UInt8) -> FieldViolation? {
        guard byte.isFieldCharacter else { return readValueEnd(byte) }
        guard position - start < limits.fieldLineByteCountMax else { return .fieldLineTooLong }
        // White space counts once something follows it: what trails the value is trimmed.
        if !byte.isWhitespace { valueEnd = position + 1 }
        return nil
    }

    private mutating func readValueEnd(_ byte: UInt8) -> FieldViolation? {
        if byte == .lineFeed { return .malformedLineEnd }
        guard byte == .carriageReturn else { return .malformedFieldValue }
        append(name: start..<nameEnd, value: valueStart..<valueEnd)
        return proceed(to: .fieldFeed)
    }
}
