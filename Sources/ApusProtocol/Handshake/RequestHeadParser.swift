// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// Reads a request head and notes where its parts lie.
///
/// Like a ``FieldLineParser``, it reads a line that came whole in one go, and any other one byte by
/// byte. It keeps positions only; the caller keeps the bytes.
struct RequestHeadParser {
    /// What the next byte belongs to.
    private enum State {
        case start, emptyLineEnd, methodStart, method, target, version, requestLineEnd
        case requestLineFeed, fields
    }

    /// Longer than every method that IANA registers.
    private static let methodByteCountMax = 32

    private var state = State.start
    /// The fields behind the request line, and how many bytes of the head were read.
    private var lines: FieldLineParser
    /// Where the part at hand starts: the method, the target or the version.
    private var start = 0
    private var method: Range<UInt32> = 0..<0
    private var target: Range<UInt32> = 0..<0

    init(limits: HandshakeLimits) {
        lines = FieldLineParser(limits: limits)
    }

    /// The head, once it is complete; `bytes` are all that the parser was given up to its end.
    mutating func takeHead(bytes: [UInt8]) -> RequestHead {
        RequestHead(
            fieldLines: lines.takeLines(of: bytes),
            methodRange: method,
            targetRange: target
        )
    }

    /// Reads the next piece, not beyond the end of the head.
    mutating func read(_ bytes: Span<UInt8>) -> HeadProgress<HandshakeViolation> {
        var index = state == .start ? readWholeLine(bytes) : 0
        lines.position += index
        while state != .fields, index < bytes.count {
            guard position < limits.headByteCountMax else { return .broken(.headTooLong) }
            if let violation = read(bytes[index]) { return .broken(violation) }
            lines.position += 1
            index += 1
        }
        guard state == .fields else { return .incomplete }
        return switch lines.read(bytes, from: index) {
        case .incomplete: .incomplete
        case .complete(let consumed): .complete(consumed: consumed)
        case .broken(let violation): .broken(HandshakeViolation(violation))
        }
    }

    /// Reads a request line that lies whole in the piece and breaks no rule; returns its byte count.
    ///
    /// 0 for any other: the states judge it.
    private mutating func readWholeLine(_ bytes: Span<UInt8>) -> Int {
        let methodEnd = bytes.endOfToken(from: 0, to: bytes.count)
        var targetEnd = methodEnd + 1
        while targetEnd < bytes.count, bytes[targetEnd].isTargetCharacter { targetEnd += 1 }
        let rest: StaticString = " HTTP/1.1\r\n"
        let end = targetEnd + rest.utf8CodeUnitCount
        guard 1...Self.methodByteCountMax ~= methodEnd, targetEnd > methodEnd + 1,
            targetEnd - methodEnd - 1 <= limits.targetByteCountMax,
            end <= min(bytes.count, limits.headByteCountMax), bytes[methodEnd] == .space,
            bytes.extracting(targetEnd..<end).equals(rest)
        else { return 0 }
        method = FieldLineParser.range(0..<methodEnd)
        target = FieldLineParser.range(methodEnd + 1..<targetEnd)
        state = .fields
        return end
    }

    private var limits: HandshakeLimits { lines.limits }
    /// The position of the byte at hand.
    private var position: Int { lines.position }

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
        case .requestLineFeed: return feed(byte, to: .fields)
        case .fields: preconditionFailure("a field line is not for the request line")
        }
    }

    private mutating func proceed(to next: State) -> HandshakeViolation? {
        state = next
        return nil
    }

    /// As ``FieldLineParser`` has it: CRLF and nothing else.
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
            method = FieldLineParser.range(start..<position)
            start = position + 1
            return proceed(to: .target)
        }
        guard byte.isTokenCharacter else { return .malformedMethod }
        return position - start < Self.methodByteCountMax ? nil : .methodTooLong
    }

    private mutating func readTarget(_ byte: UInt8) -> HandshakeViolation? {
        if byte == .space {
            guard position > start else { return .malformedTarget }
            target = FieldLineParser.range(start..<position)
            start = position + 1
            return proceed(to: .version)
        }
        guard byte.isTargetCharacter else { return .malformedTarget }
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
}
