// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol
import ApusTestSupport
import Testing

@Suite(.rfc9112("7.1")) struct `Request bodies` {
    /// What a reader makes of a body; `consumed` counts from its first byte.
    struct Outcome: Equatable {
        var progress: RequestBodyReader.Progress
        var bytes: [UInt8]
    }

    private static func read(
        _ pieces: [ArraySlice<UInt8>],
        as body: RequestBody,
        byteCountMax: Int,
        limits: HandshakeLimits
    ) -> Outcome {
        var reader = RequestBodyReader(body, byteCountMax: byteCountMax, limits: limits)
        var sent = 0
        for piece in pieces {
            switch reader.read(piece.span) {
            case .needMoreBytes: sent += piece.count
            case .complete(let consumed):
                return Outcome(
                    progress: .complete(consumed: sent + consumed),
                    bytes: reader.bytes
                )
            case .broken(let violation):
                // It stays broken, whatever comes.
                let rest = Array("0\r\n\r\n".utf8)
                let last = reader.read(rest.span)
                return Outcome(progress: last, bytes: last == .broken(violation) ? [] : [1])
            }
        }
        return Outcome(progress: .needMoreBytes, bytes: reader.bytes)
    }

    /// Reads it whole, byte by byte, and cut in two at every place.
    private func read(
        _ text: String,
        as body: RequestBody = .chunked,
        byteCountMax: Int = 100,
        limits: HandshakeLimits = HandshakeLimits(),
        sourceLocation: SourceLocation = #_sourceLocation
    ) -> Outcome {
        let bytes = Array(text.utf8)
        let whole = Self.read([bytes[...]], as: body, byteCountMax: byteCountMax, limits: limits)
        let single = bytes.indices.map { bytes[$0...$0] }
        #expect(
            Self.read(single, as: body, byteCountMax: byteCountMax, limits: limits) == whole,
            "byte by byte",
            sourceLocation: sourceLocation
        )
        for cut in bytes.indices {
            let halves = [bytes[..<cut], bytes[cut...]]
            #expect(
                Self.read(halves, as: body, byteCountMax: byteCountMax, limits: limits) == whole,
                "cut at \(cut)",
                sourceLocation: sourceLocation
            )
        }
        return whole
    }

    @Test(arguments: [
        (RequestBody.none, "GET", ""),
        (.byteCount(0), "GET", ""),
        (.byteCount(5), "helloGET", "hello"),
        (.byteCount(100), String(repeating: "x", count: 100), String(repeating: "x", count: 100)),
        (.chunked, "0\r\n\r\nGET", ""),
        (.chunked, "5\r\nhello\r\n0\r\n\r\nGET", "hello"),
        (.chunked, "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\nGET", "hello!"),
        (.chunked, "a\r\n0123456789\r\nA\r\n0123456789\r\n000\r\n\r\n", "01234567890123456789"),
        (.chunked, "0000000000000002\r\n\r\n\r\n0\r\n\r\n", "\r\n"),
        (.chunked, "1;a\r\nx\r\n0;b=c;d=\"e;f\"\r\n\r\nGET", "x"),
        (.chunked, "1 ;a\r\nx\r\n1\t ; b = \"\\\"ä\"\r\ny\r\n0\r\n\r\n", "xy"),
        (.chunked, "1\r\nx\r\n0\r\nDigest: a\r\nX:\r\n\r\nGET", "x"),
        (
            .chunked, "64\r\n" + String(repeating: "x", count: 100) + "\r\n0\r\n\r\n",
            String(repeating: "x", count: 100)
        ),
    ])
    func `ends where it says, and leaves the next request`(
        body: RequestBody,
        wire: String,
        expected: String
    ) {
        let rest = wire.hasSuffix("GET") ? 3 : 0
        let outcome = read(wire, as: body)
        #expect(outcome.progress == .complete(consumed: wire.utf8.count - rest))
        #expect(outcome.bytes.wireText == expected)
    }

    @Test(arguments: [
        "x", " 5\r\n", "-5\r\n", "+5\r\n", "0x5\r\n", "\r\n", ";a\r\n", "\n", "5\n", "5\r5",
        "5\rhello", "5 \r\n", "5 5\r\n", "5,\r\n", "5\0\r\n", "5g\r\n",
        "1;a\n", "1;a\rb", "1;\0\r\n", "1;\u{7F}\r\n",
        "1\r\nxx\r\n", "1\r\nx\n", "1\r\nx\r0", "1\r\nx0\r\n", "1\r\nx\r\n\r\n",
        "00000000000000001\r\n", "٥\r\n",
    ])
    func `with a malformed chunk is refused`(wire: String) {
        #expect(read(wire) == Outcome(progress: .broken(.chunkMalformed), bytes: []))
    }

    @Test(arguments: [
        ("0\r\n\n", HandshakeViolation.malformedLineEnd),
        ("0\r\n a: b\r\n\r\n", .foldedLine),
        ("0\r\na b: c\r\n\r\n", .malformedFieldName),
        ("0\r\na: \0\r\n\r\n", .malformedFieldValue),
        ("0\r\na: b\n\r\n", .malformedLineEnd),
        ("0\r\na: b\r\n\rx", .malformedLineEnd),
    ])
    func `with malformed trailers is refused`(wire: String, violation: HandshakeViolation) {
        #expect(read(wire) == Outcome(progress: .broken(violation), bytes: []))
    }

    @Test(arguments: [
        (RequestBody.byteCount(101), ""),
        (.byteCount(.max), ""),
        (.chunked, "65\r\n"),
        (.chunked, "ffffffffffffffff\r\n"),
        (.chunked, "5\r\nhello\r\n60\r\n"),
        (.chunked, "64;a\r\n" + String(repeating: "x", count: 100) + "\r\n1\r\n"),
    ])
    func `over the limit is refused before more is read`(body: RequestBody, wire: String) {
        var reader = RequestBodyReader(body, byteCountMax: 100)
        let bytes = Array(wire.utf8)
        #expect(reader.read(bytes.span) == .broken(.bodyTooLarge))
        if !wire.isEmpty {
            #expect(read(wire) == Outcome(progress: .broken(.bodyTooLarge), bytes: []))
        }
        #expect(HandshakeViolation.bodyTooLarge.refusal.status == 413)
    }

    @Test func `without room has none at all`() {
        for body in [RequestBody.none, .byteCount(0)] {
            // It is known before anything comes.
            var empty = RequestBodyReader(body, byteCountMax: 0)
            #expect(empty.read(Span()) == .complete(consumed: 0))
        }
        #expect(read("0\r\n\r\n", byteCountMax: 0).progress == .complete(consumed: 5))
        #expect(read("1\r\n", byteCountMax: 0).progress == .broken(.bodyTooLarge))
    }

    @Test func `has extensions up to the limit of a head, over all of its chunks`() {
        let limits = HandshakeLimits(headByteCountMax: 10)
        let allowed = "1;234\r\nx\r\n0 ;3456\r\n"
        #expect(read(allowed, limits: limits).progress == .needMoreBytes)
        let tooMuch = Outcome(progress: .broken(.chunkExtensionsTooLong), bytes: [])
        #expect(read("1;234\r\nx\r\n0 ;34567\r\n", limits: limits) == tooMuch)
        #expect(read("0;2345678901\r\n", limits: limits) == tooMuch)
        #expect(read("0\t\t\t\t\t\t\t\t\t\t\t", limits: limits) == tooMuch)
    }

    @Test func `has trailers within the limits of a head`() {
        let limits = HandshakeLimits(headByteCountMax: 20, fieldCountMax: 2)
        #expect(
            read("0\r\na:b\r\nc:d\r\n\r\n", limits: limits).progress == .complete(consumed: 15)
        )
        #expect(read("0\r\na:\r\nb:\r\nc:", limits: limits).progress == .broken(.tooManyFields))
        #expect(
            read("0\r\na: 456789012345678901", limits: limits).progress == .broken(.headTooLong)
        )
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func `is read the same whatever the pieces, and never beyond its limits`(seed: UInt64) {
        var random = SplitMix(seed: seed)
        let parts = [
            "0", "1", "a", "F", "10", ";", "x", " ", "\r\n", "\r", "\n", "a: b", "\r\n\r\n",
            "3\r\nabc\r\n", "0\r\n", "2;a=\"b\"\r\nxy\r\n",
        ]
        let limits = HandshakeLimits(headByteCountMax: 64)
        for _ in 0..<200 {
            let count = Int.random(in: 1...12, using: &random)
            let text = (0..<count)
                .map { _ in parts[Int.random(in: parts.indices, using: &random)] }.joined()
            let outcome = read(text, byteCountMax: 20, limits: limits)
            #expect(outcome.bytes.count <= 20, "seed \(seed)")
        }
    }
}

@Suite struct `Request persistence` {
    @Test(arguments: [
        ("Connection: close", false), ("Connection: Keep-Alive, Close", false),
        ("Connection: keep-alive", true), ("Connection: closed", true), ("X: close", true),
    ])
    func `client says when it is its last request`(line: String, isPersistent: Bool) throws {
        let head = try ordinaryHead(HeadDraft.ordinary.adding(line))
        #expect(head.isPersistent == isPersistent)
    }

    @Test(
        .rfc9110("10.1.1"),
        arguments: [
            ("Expect: 100-continue", true), ("expect: 100-Continue", true),
            ("X: 100-continue", false),
        ]
    )
    func `client says that it waits with its body`(line: String, expects: Bool) throws {
        let head = try ordinaryHead(HeadDraft.ordinary.adding(line))
        #expect(head.expectsContinue == expects)
    }

    @Test(arguments: ["Expect: a", "Expect: 100-continue, a", "Expect: 100-continue=a"])
    func `other expectations are not met`(line: String) {
        HandshakeVector(line, HeadDraft.ordinary.adding(line), .expectationUnknown).verify()
        #expect(HandshakeViolation.expectationUnknown.refusal.status == 417)
    }

    @Test func `machine tells of what was to be a handshake`() {
        let drafts: [(HeadDraft, Bool)] = [
            (.handshake, true),
            (.handshake.replacing("Host"), true),
            (.handshake.replacing("Sec-WebSocket-Key"), true),
            (.ordinary, false),
            (.ordinary.replacing("Host"), false),
        ]
        for (draft, isHandshake) in drafts {
            var machine = HandshakeStateMachine(deadline: handshakeDeadline)
            let bytes = draft.bytes
            #expect(machine.received(bytes.dropLast(), at: handshakeStart) == .needMoreBytes)
            let before = machine.isHandshake
            _ = machine.received(bytes.suffix(1), at: handshakeStart)
            let after = machine.isHandshake
            #expect(!before && after == isHandshake, "\(draft.text)")
        }
    }
}
