// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// Reads the header of the PROXY protocol, version 1 or 2, before the first byte of HTTP.
///
/// The protocol is HAProxy's (`proxy-protocol.txt`): a proxy that forwards bytes says by it whom it
/// forwards. The bytes may come in any pieces; at most 107 bytes of version 1, and 16 and
/// ``lengthMax`` of version 2, are read. Once it has decided, it ignores what it is still given.
public struct ProxyHeaderStateMachine: Sendable {
    /// How many bytes may follow the first 16 of version 2: an address and what else a proxy tells.
    public static let lengthMax = 4_096

    /// How far the reading is.
    private enum State {
        case signature, line, block, decided
    }

    private static let line = Array("PROXY ".utf8)
    private static let block = Array("\r\n\r\n\0\r\nQUIT\n".utf8)
    private static let lineByteCountMax = 107
    private static let blockHeadByteCount = 16

    private var state = State.signature
    /// The header so far, but of version 2 only what says an address.
    private var bytes: [UInt8] = []
    /// How many bytes of version 2 are left to be skipped.
    private var skipByteCount = 0

    /// A machine for one connection.
    public init() {}

    /// Whether what was read is the beginning of a header and of no HTTP request.
    public private(set) var isHeader = false

    /// Reads what came next, not beyond the end of the header.
    public mutating func received(_ span: Span<UInt8>) -> ProxyHeaderAction {
        for index in span.indices {
            guard state != .decided else { return .needMoreBytes }
            switch read(span[index]) {
            case nil: continue
            case .success(let source):
                state = .decided
                return .complete(source, consumed: index + 1)
            case .failure(let violation):
                state = .decided
                return .refuse(violation)
            }
        }
        return .needMoreBytes
    }

    private typealias Outcome = Result<ProxySource, ProxyHeaderViolation>

    private mutating func read(_ byte: UInt8) -> Outcome? {
        switch state {
        case .signature: readSignature(byte)
        case .line: readLine(byte)
        case .block: readBlock(byte)
        case .decided: nil
        }
    }

    private mutating func readSignature(_ byte: UInt8) -> Outcome? {
        bytes.append(byte)
        let isLine = bytes[0] == Self.line[0]
        let signature = isLine ? Self.line : Self.block
        guard byte == signature[bytes.count - 1] else { return .failure(.signatureMissing) }
        // A request may begin with an empty line, but not with two.
        if !isLine, bytes.count == 3 { isHeader = true }
        if bytes.count == signature.count {
            isHeader = true
            state = isLine ? .line : .block
        }
        return nil
    }

    // MARK: Version 1

    private mutating func readLine(_ byte: UInt8) -> Outcome? {
        if bytes.last == .carriageReturn {
            return byte == .lineFeed ? lineOutcome : .failure(.lineMalformed)
        }
        guard byte.isVisible || byte == .space || byte == .carriageReturn else {
            return .failure(.lineMalformed)
        }
        bytes.append(byte)
        // The line end has two bytes.
        let hasRoom = bytes.count < Self.lineByteCountMax - (byte == .carriageReturn ? 0 : 1)
        return hasRoom ? nil : .failure(.lineTooLong)
    }

    private var lineOutcome: Outcome {
        let parts = bytes.dropLast().split(separator: .space, omittingEmptySubsequences: false)
        if parts[1].elementsEqual("UNKNOWN".utf8) { return .success(.unknown) }
        let isIP6 = parts[1].elementsEqual("TCP6".utf8)
        guard isIP6 || parts[1].elementsEqual("TCP4".utf8), parts.count == 6,
            parts[2].contains(.colon) == isIP6, let source = IPAddress(parts[2]),
            parts[3].contains(.colon) == isIP6, IPAddress(parts[3]) != nil,
            let port = Self.port(parts[4]), Self.port(parts[5]) != nil
        else { return .failure(.lineMalformed) }
        return .success(.address("\(source)", port: port))
    }

    private static func port(_ text: ArraySlice<UInt8>) -> UInt16? {
        text.decimal(digitCountMax: 5).flatMap(UInt16.init(exactly:))
    }

    // MARK: Version 2

    private mutating func readBlock(_ byte: UInt8) -> Outcome? {
        if bytes.count < Self.blockHeadByteCount {
            bytes.append(byte)
            return readBlockHead()
        }
        if bytes.count < Self.blockHeadByteCount + addressByteCount {
            bytes.append(byte)
        } else {
            skipByteCount -= 1
        }
        return blockOutcome
    }

    private mutating func readBlockHead() -> Outcome? {
        switch bytes.count {
        case 13:
            guard bytes[12] >> 4 == 2 else { return .failure(.versionUnknown) }
            return bytes[12] & 15 <= 1 ? nil : .failure(.commandUnknown)
        case 14:
            return isLocal || Self.families.contains(bytes[13]) ? nil : .failure(.familyUnknown)
        case Self.blockHeadByteCount:
            let length = Int(bytes[14]) << 8 | Int(bytes[15])
            guard length <= Self.lengthMax else { return .failure(.blockTooLong) }
            guard length >= addressByteCount else { return .failure(.blockTooShort) }
            skipByteCount = length - addressByteCount
            return blockOutcome
        default:
            return nil
        }
    }

    /// Unspecified, and streams and datagrams of IPv4, IPv6 and Unix sockets.
    private static let families: Set<UInt8> = [0x00, 0x11, 0x12, 0x21, 0x22, 0x31, 0x32]

    /// The proxy speaks for itself, to see whether the server is well.
    private var isLocal: Bool { bytes[12] & 15 == 0 }

    private var addressByteCount: Int {
        guard !isLocal else { return 0 }
        return switch bytes[13] >> 4 {
        case 1: 12
        case 2: 36
        case 3: 216
        default: 0
        }
    }

    /// Nil until all has come.
    private var blockOutcome: Outcome? {
        let address = bytes[Self.blockHeadByteCount...]
        guard address.count == addressByteCount, skipByteCount == 0 else { return nil }
        func source(_ byteCount: Int) -> Outcome {
            let port = address.dropFirst(2 * byteCount)
            return .success(
                .address(
                    "\(IPAddress(bytes: address.prefix(byteCount)))",
                    port: port.prefix(2).reduce(0) { $0 << 8 | UInt16($1) }
                )
            )
        }
        return switch address.count {
        case 12: source(4)
        case 36: source(16)
        case 216: .success(.unixSocket)
        default: .success(.unknown)
        }
    }
}

/// What the caller of a ``ProxyHeaderStateMachine`` does next.
public enum ProxyHeaderAction: Hashable, Sendable {
    /// Nothing until more bytes come, or the deadline.
    case needMoreBytes

    /// The header ends after `consumed` bytes of this call's span; what follows is for HTTP.
    case complete(ProxySource, consumed: Int)

    /// Close without an answer: whoever sent this may not even speak HTTP.
    case refuse(ProxyHeaderViolation)
}

/// Whom a proxy forwards.
public enum ProxySource: Hashable, Sendable {
    /// A client with this address, spelt as RFC 5952 has it, and port.
    case address(String, port: UInt16)

    /// A client of a Unix socket of the proxy.
    case unixSocket

    /// Nobody (the proxy itself, LOCAL), or a client that it does not name (UNKNOWN, UNSPEC).
    case unknown
}

/// The rule that the header of the PROXY protocol breaks.
///
/// The raw value is a stable name for logs. An error only to stand in a `Result`.
public enum ProxyHeaderViolation: String, Error, CaseIterable, Sendable {
    /// Neither version begins so.
    case signatureMissing

    // Version 1.

    /// The line is not one of the protocol, or does not end with CR LF.
    case lineMalformed
    /// The line has more than 107 bytes.
    case lineTooLong

    // Version 2.

    /// The version is not 2.
    case versionUnknown
    /// The command is neither LOCAL nor PROXY.
    case commandUnknown
    /// The address family and protocol are none of the specification.
    case familyUnknown
    /// The block is too short for the addresses of its family.
    case blockTooShort
    /// The block is longer than the limit.
    case blockTooLong
}
