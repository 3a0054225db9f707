// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// What RFC 9112 demands of every request, handshake or not.
extension HandshakeRules {
    /// The target is a path, an `http` or `ws` URI, or `*` for OPTIONS, RFC 9112 §3.2.
    ///
    /// CONNECT, which alone has another form, is not a method of an origin server.
    static func target(_ head: RequestHead) -> HandshakeViolation? {
        if head.methodBytes.span.equals("CONNECT") { return .methodNotAllowed }
        switch RequestTarget(head.targetBytes) {
        case .path: return nil
        case .uri(let authority, _): return isHost(authority) ? nil : .malformedTarget
        case .asterisk:
            return head.methodBytes.span.equals("OPTIONS") ? nil : .malformedTarget
        case .malformed: return .malformedTarget
        }
    }

    /// (2) Host is there once and names a host, RFC 9112 §3.2.
    static func host(_ head: RequestHead) -> HandshakeViolation? {
        switch head.occurrence(of: .host) {
        case .never: .hostMissing
        case .repeated: .hostRepeated
        case .once(let host): isHost(host) ? nil : .hostInvalid
        }
    }

    /// The length of a body is said in one way only, RFC 9112 §6.3.
    static func body(_ head: RequestHead) -> HandshakeViolation? {
        switch head.bodyFraming {
        case .success: nil
        case .failure(let violation): violation
        }
    }

    /// Of what a client may expect there is one thing, RFC 9110 §10.1.1.
    static func expectation(_ head: RequestHead) -> HandshakeViolation? {
        head.elements(of: .expect).allSatisfy {
            $0.isEmpty || $0.equalsIgnoringCase("100-continue".utf8)
        } ? nil : .expectationUnknown
    }

    /// A name or address that is not empty and an optional port, RFC 3986 §3.2.2 and §3.2.3.
    ///
    /// The grammar also allows a comma in a name; none has one, and it is the mark of two hosts
    /// that a proxy joined.
    static func isHost(_ bytes: ArraySlice<UInt8>) -> Bool {
        let rest: ArraySlice<UInt8>
        if bytes.first == UInt8(ascii: "[") {
            guard let end = bytes.firstIndex(of: UInt8(ascii: "]")) else { return false }
            let address = bytes[..<end].dropFirst()
            guard address.contains(.colon),
                address.allSatisfy({ $0.isHexDigit || $0 == .colon || $0 == UInt8(ascii: ".") })
            else { return false }
            rest = bytes[(end + 1)...]
        } else {
            let name = bytes.prefix { $0.isNameCharacter }
            guard !name.isEmpty, isPercentEncoded(name) else { return false }
            rest = bytes[name.endIndex...]
        }
        guard let colon = rest.first else { return true }
        // At most as many digits as a port has, so that the number cannot overflow.
        let port = rest.dropFirst()
        guard colon == .colon, port.count <= 5, port.allSatisfy(\.isDigit) else { return false }
        return port.reduce(0) { $0 * 10 + Int($1 - 0x30) } <= 65_535
    }

    private static func isPercentEncoded(_ name: ArraySlice<UInt8>) -> Bool {
        guard name.contains(.percent) else { return true }
        return name.indices.allSatisfy { index in
            guard name[index] == UInt8(ascii: "%") else { return true }
            let digits = name[(index + 1)...].prefix(2)
            return digits.count == 2 && digits.allSatisfy(\.isHexDigit)
        }
    }
}

/// How the body of a request is delimited.
public enum RequestBody: Hashable, Sendable {
    /// There is none.
    case none

    /// It has this many bytes.
    case byteCount(UInt64)

    /// It comes in chunks, RFC 9112 §7.1.
    case chunked
}

extension RequestHead {
    /// How the body that follows the head is delimited, RFC 9112 §6.3.
    ///
    /// Always known for a head that the handshake handed out: others are refused.
    public var body: RequestBody {
        switch bodyFraming {
        case .success(let body): body
        case .failure: .none
        }
    }

    /// Whether the client waits with the body until it is told to send it, RFC 9110 §10.1.1.
    public var expectsContinue: Bool { list(of: .expect, contains: "100-continue") }

    /// Whether the client may send another request behind this one, RFC 9112 §9.3.
    public var isPersistent: Bool { !list(of: .connection, contains: "close") }

    /// The body's framing, or why two readers could disagree about it.
    var bodyFraming: Result<RequestBody, HandshakeViolation> {
        let codings = elements(of: .transferEncoding)
        switch (occurrence(of: .contentLength), codings.last) {
        case (.never, nil): return .success(.none)
        case (.repeated, nil): return .failure(.contentLengthRepeated)
        case (.once(let length), nil):
            // UInt64 would take a sign, which is none of the grammar.
            guard length.allSatisfy(\.isDigit),
                let count = UInt64(String(decoding: length, as: UTF8.self))
            else { return .failure(.contentLengthInvalid) }
            return .success(.byteCount(count))
        case (.never, .some(let coding)):
            guard coding.equalsIgnoringCase("chunked".utf8) else {
                return .failure(.transferEncodingNotChunked)
            }
            return codings.count == 1 ? .success(.chunked) : .failure(.transferCodingUnknown)
        case (_, .some): return .failure(.contentLengthAndTransferEncoding)
        }
    }
}
