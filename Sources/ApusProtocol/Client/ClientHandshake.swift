// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

internal import ApusCodec

/// A client's side of the opening handshake, from the request to the judgement, RFC 6455 §4.1.
///
/// Send ``request`` over a connection to the server, then feed it what comes back, cut anywhere. It
/// does no input or output, has no clock and no randomness: the nonce is the caller's. Once it has
/// decided, it ignores whatever it is still told.
public struct ClientHandshake: ~Copyable {
    /// How many random bytes make a nonce.
    public static let nonceByteCount = 16

    /// The bytes to send.
    public let request: [UInt8]

    /// The value of Sec-WebSocket-Key: the nonce in base64.
    public let key: String

    /// What was agreed on compression, once the connection is open; nil: nothing.
    public private(set) var deflate: DeflateAgreement?

    private let accept: String
    private let offer: DeflateParameters?
    private let protocols: [String]
    private var reader: ResponseReader

    /// A handshake that has until `deadline` to be answered.
    ///
    /// `protocols` are offered in their order, and so is permessage-deflate, if any. `fields` are
    /// sent as they are, Cookie or Authorization for instance. Throws where a subprotocol is no
    /// token or is offered twice, or a field is malformed or one that the handshake sets itself. A
    /// nonce of another length than ``nonceByteCount`` traps; it has to be random, RFC 6455 §10.3.
    public init(
        url: WebSocketURL,
        protocols: [String] = [],
        origin: String? = nil,
        deflate offer: DeflateParameters? = nil,
        fields: [HeaderField] = [],
        nonce: [UInt8],
        limits: HandshakeLimits = HandshakeLimits(),
        deadline: Instant
    ) throws(HandshakeError) {
        precondition(nonce.count == Self.nonceByteCount, "a nonce of \(nonce.count) bytes")
        let key = Base64.encode(nonce)
        var own = [
            HeaderField("Host", url.hostField),
            HeaderField("Upgrade", "websocket"),
            HeaderField("Connection", "Upgrade"),
            HeaderField("Sec-WebSocket-Key", key),
            HeaderField("Sec-WebSocket-Version", "13"),
        ]
        if let origin { own.append(HeaderField("Origin", origin)) }
        if !protocols.isEmpty {
            own.append(
                HeaderField("Sec-WebSocket-Protocol", protocols.joined(separator: ", "))
            )
        }
        if let offer { own.append(HeaderField("Sec-WebSocket-Extensions", offer.field)) }
        try Self.check(protocols)
        for field in own { try field.check { _ in false } }
        for field in fields { try field.check(isReserved: Self.isReserved) }
        self.key = key
        self.protocols = protocols
        self.offer = offer
        accept = AcceptKey.accept(for: Array(key.utf8).span)
        request = HTTPReply.head(startLine: "GET \(url.resource) HTTP/1.1", fields: own + fields)
        reader = ResponseReader(limits: limits, deadline: deadline)
    }

    /// Reads what the server sent next, up to the end of the response's head.
    ///
    /// The bytes are the caller's and are not kept beyond the call other than as a copy. A head that
    /// is not complete by the deadline fails here too, should the timer be late.
    public mutating func received(_ bytes: Span<UInt8>, at now: Instant) -> ClientHandshakeAction {
        action(for: reader.received(bytes, at: now))
    }

    /// Fails once the deadline has come; earlier it changes nothing.
    public mutating func timerFired(at now: Instant) -> ClientHandshakeAction {
        action(for: reader.timerFired(at: now))
    }

    /// The server will send no more; fails unless it was decided before.
    public mutating func transportClosed() -> ClientHandshakeAction {
        action(for: reader.transportClosed())
    }

    private mutating func action(for outcome: ResponseReader.Outcome) -> ClientHandshakeAction {
        switch outcome {
        case .needMoreBytes: return .needMoreBytes
        case .broken(let violation): return .fail(violation)
        case .response(let head, let consumed):
            guard head.status == 101 else { return .httpResponse(head, consumed: consumed) }
            switch judge(head) {
            case .success(let selection):
                return .open(head, protocol: selection, consumed: consumed)
            case .failure(let violation):
                return .fail(violation)
            }
        }
    }

    /// The subprotocol, and what was agreed on compression is kept.
    private mutating func judge(
        _ head: ResponseHead
    ) -> Result<String?, ClientHandshakeViolation> {
        let selection = ClientHandshakeRules.judge(head, accept: accept, offered: protocols)
        guard case .success = selection else { return selection }
        switch ClientHandshakeRules.deflate(head, offered: offer) {
        case .success(let agreement): deflate = agreement
        case .failure(let violation): return .failure(violation)
        }
        return selection
    }

    /// (10) The subprotocols are tokens and all different.
    private static func check(_ protocols: [String]) throws(HandshakeError) {
        for name in protocols where !name.utf8.isToken { throw .protocolInvalid(name) }
        guard Set(protocols).count == protocols.count else { throw .protocolRepeated }
    }

    /// Fields that the handshake writes itself, or that would say how the request goes on.
    private static func isReserved(_ name: String) -> Bool {
        switch name {
        case "host", "upgrade", "connection", "origin", "content-length", "transfer-encoding": true
        default: name.hasPrefix("sec-websocket-")
        }
    }
}

/// What the caller of a ``ClientHandshake`` does next.
public enum ClientHandshakeAction: Equatable, Sendable {
    /// Nothing until more bytes come, or the deadline.
    case needMoreBytes

    /// The connection is open, with the subprotocol that the server selected, if any was offered.
    ///
    /// `consumed` bytes of this call's span belong to the head; what follows them are frames.
    case open(ResponseHead, protocol: String?, consumed: Int)

    /// The server answered with another status: there is no WebSocket connection.
    ///
    /// `consumed` bytes of this call's span belong to the head; what follows them is its body.
    case httpResponse(ResponseHead, consumed: Int)

    /// The server broke a rule, did not answer in time or went away: end the connection.
    case fail(ClientHandshakeViolation)
}

/// RFC 4648 §4.
enum Base64 {
    private static let digits = Array(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8
    )

    static func encode(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start...].prefix(3)
            let bits = group.reduce(0) { $0 << 8 | UInt32($1) } << UInt32(8 * (3 - group.count))
            for digit in 0..<4 {
                let isPadding = digit > group.count
                text.append(isPadding ? .equals : digits[Int(bits >> UInt32(18 - 6 * digit) & 63)])
            }
        }
        return String(decoding: text, as: UTF8.self)
    }
}
