// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// Collects the body of one request however its bytes are cut, RFC 9112 §6.2 and §7.1.
///
/// What it keeps is bounded by the limit of the body and by those of a head: chunk extensions and
/// trailers are read over, but neither without end. The first byte that no body could have at its
/// place ends the reading; from then on it says so whatever else it is told.
public struct RequestBodyReader {
    /// How far the reading has come.
    public enum Progress: Equatable, Sendable {
        /// The end has not come.
        case needMoreBytes

        /// The body ends before this place in the bytes of the call.
        case complete(consumed: Int)

        /// It is too large, or not a body.
        case broken(HandshakeViolation)
    }

    /// What the next byte belongs to.
    private enum State {
        case content
        case sizeStart, size, sizeEnd, chunkExtension, sizeFeed, chunk, chunkReturn, chunkFeed
        case trailers
        case complete
        case broken(HandshakeViolation)
    }

    /// More hexadecimal digits than the largest size has.
    private static let sizeDigitCountMax = 16

    /// The body so far.
    public private(set) var bytes: [UInt8] = []

    private var state: State
    private let byteCountMax: UInt64
    private let extensionByteCountMax: Int
    /// What is left of the body, or of the chunk at hand.
    private var remaining: UInt64 = 0
    private var sizeDigitCount = 0
    private var extensionByteCount = 0
    private var trailers: FieldLineParser

    /// A reader of a body of at most that many bytes; the limits are those of its trailers.
    ///
    /// Extensions of chunks may, all together, be as long as a head.
    public init(
        _ body: RequestBody,
        byteCountMax: Int,
        limits: HandshakeLimits = HandshakeLimits()
    ) {
        self.byteCountMax = UInt64(max(0, byteCountMax))
        extensionByteCountMax = limits.headByteCountMax
        trailers = FieldLineParser(limits: limits)
        switch body {
        case .none: state = .complete
        case .byteCount(let count):
            state = count > self.byteCountMax ? .broken(.bodyTooLarge) : .content
            remaining = count
        case .chunked: state = .sizeStart
        }
    }

    /// Reads the next piece, not beyond the end of the body.
    ///
    /// An empty one tells what is known already: that there is no body, or that its announced length
    /// is too much.
    public mutating func read(_ piece: Span<UInt8>) -> Progress {
        var index = 0
        while true {
            switch state {
            case .content, .chunk:
                index = take(piece, from: index)
                guard remaining == 0 else { return .needMoreBytes }
                if case .content = state { state = .complete } else { state = .chunkReturn }
            case .trailers:
                switch trailers.read(piece, from: index) {
                case .incomplete: return .needMoreBytes
                case .complete(let consumed):
                    state = .complete
                    index = consumed
                case .broken(let violation): state = .broken(HandshakeViolation(violation))
                }
            case .complete:
                return .complete(consumed: index)
            case .broken(let violation):
                return .broken(violation)
            case .sizeStart, .size, .sizeEnd, .chunkExtension, .sizeFeed, .chunkReturn, .chunkFeed:
                guard index < piece.count else { return .needMoreBytes }
                state = next(after: piece[index])
                index += 1
            }
        }
    }

    /// Takes what there is of the body or the chunk; returns where it ends in the piece.
    private mutating func take(_ piece: Span<UInt8>, from index: Int) -> Int {
        let count = Int(min(remaining, UInt64(piece.count - index)))
        bytes.append(piece.extracting(index..<index + count))
        remaining -= UInt64(count)
        return index + count
    }

    /// What follows a byte of the framing; every line end is CRLF, as in a head.
    private mutating func next(after byte: UInt8) -> State {
        switch state {
        case .sizeStart:
            remaining = 0
            sizeDigitCount = 0
            return byte.isHexDigit ? addDigit(byte) : .broken(.chunkMalformed)
        case .size:
            return byte.isHexDigit ? addDigit(byte) : afterSize(byte)
        case .sizeEnd:
            return afterSize(byte)
        case .chunkExtension:
            if byte == .carriageReturn { return .sizeFeed }
            return byte.isFieldCharacter ? countExtension() : .broken(.chunkMalformed)
        case .sizeFeed:
            guard byte == .lineFeed else { return .broken(.chunkMalformed) }
            guard remaining > 0 else { return .trailers }
            let room = byteCountMax - UInt64(bytes.count)
            return remaining <= room ? .chunk : .broken(.bodyTooLarge)
        case .chunkReturn:
            return byte == .carriageReturn ? .chunkFeed : .broken(.chunkMalformed)
        case .chunkFeed:
            return byte == .lineFeed ? .sizeStart : .broken(.chunkMalformed)
        case .content, .chunk, .trailers, .complete, .broken:
            preconditionFailure("a byte of the body is not for its framing")
        }
    }

    /// Zeros in front count as well, so that a size ends.
    private mutating func addDigit(_ byte: UInt8) -> State {
        guard sizeDigitCount < Self.sizeDigitCountMax else { return .broken(.chunkMalformed) }
        sizeDigitCount += 1
        let digit = byte.isDigit ? byte - 0x30 : byte.lowercased - 0x61 + 10
        remaining = remaining << 4 | UInt64(digit)
        return .size
    }

    /// White space may come before an extension, RFC 9112 §7.1.1, and before nothing else.
    private mutating func afterSize(_ byte: UInt8) -> State {
        if byte == .semicolon {
            countExtension()
        } else if byte.isWhitespace {
            countExtension(of: .sizeEnd)
        } else if byte == .carriageReturn, case .size = state {
            .sizeFeed
        } else {
            .broken(.chunkMalformed)
        }
    }

    private mutating func countExtension(of next: State = .chunkExtension) -> State {
        extensionByteCount += 1
        guard extensionByteCount <= extensionByteCountMax else {
            return .broken(.chunkExtensionsTooLong)
        }
        return next
    }
}
