// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// Reads a request head byte by byte and notes where its parts lie.
///
/// Every byte is looked at once, whatever the pieces it comes in, and the first one that no request
/// could have at its place ends the reading. It keeps positions only; the caller keeps the bytes.
struct RequestHeadParser {
    enum Progress: Equatable {
        case incomplete
        /// The head ends after this many bytes of the piece.
        case complete(consumed: Int)
        case broken(HandshakeViolation)
    }

    /// What the next byte belongs to.
    private enum State {
        case start, emptyLineEnd, methodStart, method, target, version, requestLineEnd
        case requestLineFeed, lineStart, name, valueStart, value, fieldFeed, headFeed, complete
    }

    /// Longer than every method that IANA registers.
    private static let methodByteCountMax = 32

    /// What browsers send fits without a second allocation.
    private static let usualFieldCount = 16

    private let limits: HandshakeLimits
    private var state = State.start
    /// How many bytes of the head were read; the position of the byte at hand.
    private var position = 0
    /// Where the part at hand starts: the method, the target, the version or the field line.
    private var start = 0
    private var method: Range<UInt32> = 0..<0
    private var target: Range<UInt32> = 0..<0
    private var fields: [RequestHead.Field] = []
    /// The parts of the field line at hand, kept apart from `fields` until it ends: an array costs
    /// more to write to than a number.
    private var nameEnd = 0
    private var valueStart = 0
    private var valueEnd = 0

    init(limits: HandshakeLimits) {
        self.limits = limits
    }

    /// The head, once it is complete; `bytes` are all that the parser was given up to its end.
    func head(bytes: [UInt8]) -> RequestHead {
        RequestHead(bytes: bytes, methodRange: method, targetRange: target, fields: fields)
    }

    /// Reads the next piece, not beyond the end of the head.
    mutating func read(_ bytes: Span<UInt8>) -> Progress {
        var index = 0
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

    private mutating func read(_ byte: UInt8) -> HandshakeViolation? {
        switch state {
        case .start:
            if byte == .carriageReturn { return proceed(to: .emptyLineEnd) }
            return readMethodStart(byte)
        case .emptyLineEnd: return feed(byte, to: .methodStart)
        case .methodStart: return readMethodStart(byte)
        case .method: return readMethod(byte)
        case .target: return readTarget(byte)
        case .version: return readVersion(byte)
        case .requestLineEnd:
            if byte == .carriageReturn { return proceed(to: .requestLineFeed) }
            return byte == .lineFeed ? .malformedLineEnd : .malformedVersion
        case .requestLineFeed: return feed(byte, to: .lineStart)
        case .lineStart: return readLineStart(byte)
        case .name: return readName(byte)
        case .valueStart: return readValueStart(byte)
        case .value: return readValue(byte)
        case .fieldFeed: return feed(byte, to: .lineStart)
        case .headFeed: return feed(byte, to: .complete)
        case .complete: preconditionFailure("a complete head was given more bytes")
        }
    }

    private mutating func proceed(to next: State) -> HandshakeViolation? {
        state = next
        return nil
    }

    /// Lines end with CRLF and nothing else: what one reader takes for a line end and the next one
    /// does not is how requests are smuggled, RFC 9112 §2.2 and §11.2.
    private mutating func feed(_ byte: UInt8, to next: State) -> HandshakeViolation? {
        byte == .lineFeed ? proceed(to: next) : .malformedLineEnd
    }

    private mutating func readMethodStart(_ byte: UInt8) -> HandshakeViolation? {
        guard byte.isTokenCharacter else { return .malformedMethod }
        start = position
        return proceed(to: .method)
    }

    private mutating func readMethod(_ byte: UInt8) -> HandshakeViolation? {
        if byte == .space {
            method = range(start..<position)
            start = position + 1
            return proceed(to: .target)
        }
        guard byte.isTokenCharacter else { return .malformedMethod }
        return position - start < Self.methodByteCountMax ? nil : .methodTooLong
    }

    private mutating func readTarget(_ byte: UInt8) -> HandshakeViolation? {
        if byte == .space {
            guard position > start else { return .malformedTarget }
            target = range(start..<position)
            start = position + 1
            return proceed(to: .version)
        }
        guard byte > 0x20 && byte < 0x7F && byte != .numberSign else { return .malformedTarget }
        return position - start < limits.targetByteCountMax ? nil : .targetTooLong
    }

    private mutating func readVersion(_ byte: UInt8) -> HandshakeViolation? {
        switch position - start {
        case 0, 1, 2, 3, 4, 6:
            return byte == Self.version[position - start] ? nil : .malformedVersion
        case 5, 7:
            guard byte.isDigit else { return .malformedVersion }
            guard byte == 0x31 else { return .unsupportedVersion }
            return position - start == 7 ? proceed(to: .requestLineEnd) : nil
        default: return .malformedVersion
        }
    }

    private static let version = Array("HTTP/1.1".utf8)

    private mutating func readLineStart(_ byte: UInt8) -> HandshakeViolation? {
        if byte == .carriageReturn { return proceed(to: .headFeed) }
        if byte == .lineFeed { return .malformedLineEnd }
        if byte.isWhitespace { return .foldedLine }
        guard byte.isTokenCharacter else { return .malformedFieldName }
        guard fields.count < limits.fieldCountMax else { return .tooManyFields }
        start = position
        return proceed(to: .name)
    }

    private mutating func readName(_ byte: UInt8) -> HandshakeViolation? {
        guard position - start < limits.fieldLineByteCountMax else { return .fieldLineTooLong }
        if byte == .colon {
            nameEnd = position
            return proceed(to: .valueStart)
        }
        return byte.isTokenCharacter ? nil : .malformedFieldName
    }

    private mutating func readValueStart(_ byte: UInt8) -> HandshakeViolation? {
        if byte.isWhitespace {
            return position - start < limits.fieldLineByteCountMax ? nil : .fieldLineTooLong
        }
        // The value is empty until a byte of it is seen.
        valueStart = position
        valueEnd = position
        state = .value
        return readValue(byte)
    }

    private mutating func readValue(_ byte: UInt8) -> HandshakeViolation? {
        guard byte.isFieldCharacter else { return readValueEnd(byte) }
        guard position - start < limits.fieldLineByteCountMax else { return .fieldLineTooLong }
        // White space counts once something follows it: what trails the value is trimmed.
        if !byte.isWhitespace { valueEnd = position + 1 }
        return nil
    }

    private mutating func readValueEnd(_ byte: UInt8) -> HandshakeViolation? {
        if byte == .lineFeed { return .malformedLineEnd }
        guard byte == .carriageReturn else { return .malformedFieldValue }
        if fields.isEmpty { fields.reserveCapacity(Self.usualFieldCount) }
        fields.append(
            RequestHead.Field(name: range(start..<nameEnd), value: range(valueStart..<valueEnd))
        )
        return proceed(to: .fieldFeed)
    }

    /// Positions are below the limit of the head, which 32 bits hold.
    private func range(_ range: Range<Int>) -> Range<UInt32> {
        UInt32(truncatingIfNeeded: range.lowerBound)..<UInt32(truncatingIfNeeded: range.upperBound)
    }
}
