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

/// Reads the field lines of a head byte by byte, up to the empty line behind them.
///
/// Every byte is looked at once, whatever the pieces it comes in, and the first one that no head
/// could have at its place ends the reading. It keeps positions only; the caller keeps the bytes.
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
    private(set) var fields: [FieldLines.Field] = []
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
        while index < bytes.count {
            guard position < limits.headByteCountMax else { return .broken(.headTooLong) }
            if let violation = read(bytes[index]) { return .broken(violation) }
            position += 1
            index += 1
            switch state {
            case .complete: return .complete(consumed: index)
            case .value: index = skipVisible(bytes, from: index)
            default: break
            }
        }
        return .incomplete
    }

    /// A part of the head; positions are below its limit, which 32 bits hold.
    static func range(_ range: Range<Int>) -> Range<UInt32> {
        UInt32(truncatingIfNeeded: range.lowerBound)..<UInt32(truncatingIfNeeded: range.upperBound)
    }

    /// Goes over the visible ASCII of a value, most of a head, without a look at the state per byte.
    ///
    /// Stops at the limits too; the byte that breaks one is for the state to judge.
    private mutating func skipVisible(_ bytes: Span<UInt8>, from index: Int) -> Int {
        let lineRoom = limits.fieldLineByteCountMax - (position - start)
        let room = min(limits.headByteCountMax - position, lineRoom)
        let end = min(bytes.count, index + room)
        var next = index
        while next < end, bytes[next] > 0x20, bytes[next] < 0x7F { next += 1 }
        position += next - index
        if next > index { valueEnd = position }
        return next
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
        if fields.isEmpty { fields.reserveCapacity(Self.usualFieldCount) }
        fields.append(
            FieldLines.Field(
                name: Self.range(start..<nameEnd),
                value: Self.range(valueStart..<valueEnd)
            )
        )
        return proceed(to: .fieldFeed)
    }
}
