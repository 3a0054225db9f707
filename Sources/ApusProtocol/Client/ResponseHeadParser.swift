// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// Reads a response head byte by byte, as strictly as ``RequestHeadParser`` a request's.
struct ResponseHeadParser {
    /// What the next byte belongs to.
    private enum State {
        case version, status, reason, statusLineFeed, fields
    }

    private static let name = Array("HTTP/".utf8)

    private var state = State.version
    /// The fields behind the status line, and how many bytes of the head were read.
    private var lines: FieldLineParser
    private var minorVersion = 0
    private var status = 0
    private var reasonStart = 0
    private var reasonEnd = 0

    init(limits: HandshakeLimits) {
        lines = FieldLineParser(limits: limits)
    }

    /// The head, once it is complete; `bytes` are all that the parser was given up to its end.
    mutating func takeHead(bytes: [UInt8]) -> ResponseHead {
        ResponseHead(
            fieldLines: lines.takeLines(of: bytes),
            status: status,
            minorVersion: minorVersion,
            reasonRange: FieldLineParser.range(reasonStart..<reasonEnd)
        )
    }

    /// Reads a piece from `first` on, not beyond the end of the head.
    mutating func read(
        _ bytes: Span<UInt8>,
        from first: Int
    ) -> HeadProgress<ClientHandshakeViolation> {
        var index = first
        while state != .fields, index < bytes.count {
            guard lines.position < lines.limits.headByteCountMax else {
                return .broken(.headTooLong)
            }
            if let violation = read(bytes[index]) { return .broken(violation) }
            lines.position += 1
            index += 1
        }
        guard state == .fields else { return .incomplete }
        return switch lines.read(bytes, from: index) {
        case .incomplete: .incomplete
        case .complete(let consumed): .complete(consumed: consumed)
        case .broken(let violation): .broken(ClientHandshakeViolation(violation))
        }
    }

    private mutating func read(_ byte: UInt8) -> ClientHandshakeViolation? {
        switch state {
        case .version: return readVersion(byte)
        case .status: return readStatus(byte)
        case .reason: return readReason(byte)
        case .statusLineFeed:
            state = .fields
            return byte == .lineFeed ? nil : .malformedLineEnd
        case .fields: preconditionFailure("a field line is not for the status line")
        }
    }

    /// `HTTP/1.` and a digit, then a space.
    private mutating func readVersion(_ byte: UInt8) -> ClientHandshakeViolation? {
        switch lines.position {
        case 0...4: return byte == Self.name[lines.position] ? nil : .malformedStatusLine
        case 5:
            guard byte.isDigit else { return .malformedStatusLine }
            return byte == UInt8(ascii: "1") ? nil : .versionNotSupported
        case 6: return byte == UInt8(ascii: ".") ? nil : .malformedStatusLine
        case 7:
            minorVersion = Int(byte) - 0x30
            return byte.isDigit ? nil : .malformedStatusLine
        default:
            state = .status
            return byte == .space ? nil : .malformedStatusLine
        }
    }

    /// Three digits, 100 to 599, then a space, also where no reason follows it.
    private mutating func readStatus(_ byte: UInt8) -> ClientHandshakeViolation? {
        guard status < 100 else {
            state = .reason
            reasonStart = lines.position + 1
            reasonEnd = reasonStart
            return byte == .space ? nil : .malformedStatusLine
        }
        guard byte.isDigit else { return .malformedStatusLine }
        let digit = Int(byte) - 0x30
        if status == 0, digit == 0 || digit > 5 { return .malformedStatusLine }
        status = status * 10 + digit
        return nil
    }

    private mutating func readReason(_ byte: UInt8) -> ClientHandshakeViolation? {
        if byte == .carriageReturn {
            state = .statusLineFeed
            return nil
        }
        guard byte != .lineFeed else { return .malformedLineEnd }
        guard byte.isFieldCharacter else { return .malformedStatusLine }
        guard lines.position < lines.limits.fieldLineByteCountMax else { return .statusLineTooLong }
        reasonEnd = lines.position + 1
        return nil
    }
}
