// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusTestSupport
import CApusCodec
import Testing

@Suite("Decoder", .rfc6455("5.4"))
struct DecoderTests {
    static let wire = WireBytes(to: .server)
    static let plain = WireBytes(to: .client)

    /// Streams with every kind of frame, every length of length and every place for a cut.
    static let corpus: [(role: Role, stream: [UInt8])] = [Role.server, .client].flatMap { role in
        let wire = WireBytes(to: role)
        let bytes = [UInt8](repeating: 0x42, count: 126)
        let streams: [[UInt8]] = [
            wire.text("Hello") + wire.text("") + wire.binary([]) + wire.text("ä蜂🐝"),
            wire.ping([1, 2, 3]) + wire.ping(Array(bytes.prefix(125))) + wire.pong()
                + wire.text("x"),
            wire.text("a", isFinal: false) + wire.ping([7]) + wire.continuation([], isFinal: false)
                + wire.continuation(Array("🐝".utf8.prefix(3)), isFinal: false) + wire.pong([9])
                + wire.continuation([0x9D]) + wire.binary(bytes) + wire.close(1000, [0x6F, 0x6B]),
            wire.text("", isFinal: false) + wire.continuation([]) + wire.text("before")
                + wire.close() + wire.text("after"),
            wire.binary(bytes, isFinal: false) + wire.text("not now"),
            wire.text("same") + wire.text("size") + wire.text("äö") + wire.binary([1, 2, 3, 4])
                + wire.binary([5, 6, 7, 8]) + wire.binary(bytes) + wire.binary(bytes + [9])
                + wire.text(bytes) + wire.text(bytes + bytes) + wire.text("last"),
            wire.text("same") + wire.text("size") + wire.text([0x61, 0x62, 0x63, 0xC3]),
            wire.text("fine") + wire.text([0xC3, 0x28]),
            wire.text([0x61, 0xE2, 0x82]),
            wire.close(1005),
            wire.close(1000, [0xFF]) + wire.text("after"),
        ]
        return streams.map { (role, $0) }
    }

    @Test(arguments: corpus.indices, [1, 2, 64])
    func `events do not depend on where the stream is cut`(index: Int, eventCapacity: Int) {
        let (role, stream) = Self.corpus[index]
        let options = DecoderLog.options(as: role)
        let expected = DecoderLog(expectedOf: stream, as: role, options: options)
            .withoutInvalidText()
        let cuts = EverySplit.inTwo(stream.count) + [EverySplit.byteByByte(stream.count)]
        for pieces in cuts {
            let log = DecoderLog(
                feeding: stream,
                cut: pieces,
                options: options,
                eventCapacity: eventCapacity
            )
            #expect(log.withoutInvalidText() == expected, "cut into \(pieces)")
        }
    }

    @Test func `a part says what is still to come of its frame`() {
        var stream = Self.wire.text("Hello")
        var options = DecoderLog.options(as: .server)
        var decoder = unsafe apus_decoder()
        unsafe apus_decoder_init(&decoder, &options)
        var event = apus_event()
        var used = 0
        var count = 0
        let result = unsafe apus_decoder_feed(&decoder, &stream, 8, &used, &event, 1, &count)
        #expect(result == APUS_OK)
        #expect((used, count) == (8, 1))
        #expect((event.offset, event.size, event.remaining) == (6, 2, 3))
        #expect((event.is_first, event.is_last, event.opcode) == (1, 0, 1))
        #expect(Array(stream[6..<8]) == Array("He".utf8))
        #expect(Array(stream[8...]) == Array(Self.wire.text("Hello")[8...]))
    }

    @Test func `a violation leaves the events before it and leads to its frame`() {
        var stream = Self.wire.text("a") + Self.wire.binary([1]) + Self.wire.continuation([2])
        var options = DecoderLog.options(as: .server)
        var decoder = unsafe apus_decoder()
        unsafe apus_decoder_init(&decoder, &options)
        var events = [apus_event](repeating: apus_event(), count: 4)
        var used = 0
        var count = 0
        let result = unsafe apus_decoder_feed(
            &decoder,
            &stream,
            stream.count,
            &used,
            &events,
            4,
            &count
        )
        #expect(result == APUS_CONTINUATION_UNEXPECTED)
        #expect((used, count) == (14, 2))
    }

    @Test func `a second collected payload waits until the first one is handed over`() {
        let ping = Self.wire.ping([1, 2])
        var stream = ping + Self.wire.text("a") + ping
        var options = DecoderLog.options(as: .server)
        var decoder = unsafe apus_decoder()
        unsafe apus_decoder_init(&decoder, &options)
        var events = [apus_event](repeating: apus_event(), count: 4)
        var used = 0
        var count = 0
        _ = unsafe apus_decoder_feed(&decoder, &stream, 7, &used, &events, 4, &count)
        #expect((used, count) == (7, 0))
        // The rest of the first ping, the message, and the second ping but for its last byte.
        stream.removeFirst(7)
        let result = unsafe apus_decoder_feed(
            &decoder,
            &stream,
            stream.count - 1,
            &used,
            &events,
            4,
            &count
        )
        #expect(result == APUS_OK)
        #expect((used, count) == (1 + 7 + 6, 2))
        #expect(events[0].place == UInt8(APUS_PLACE_DECODER.rawValue))
        let payload = unsafe UnsafeBufferPointer(
            start: apus_decoder_control_payload(&decoder),
            count: 2
        )
        #expect(unsafe Array(payload) == [1, 2])
    }

    static let closeCodes: [(result: apus_result, code: UInt16)] = [
        (APUS_FRAME_TOO_BIG, 1009), (APUS_MESSAGE_TOO_BIG, 1009), (APUS_TOO_MANY_FRAGMENTS, 1008),
        (APUS_CONTINUATION_UNEXPECTED, 1002), (APUS_CONTINUATION_MISSING, 1002),
        (APUS_INVALID_UTF8, 1007), (APUS_MASK_MISSING, 1002), (APUS_OK, 0), (APUS_INCOMPLETE, 0),
    ]

    @Test func `a result has its close code`() {
        for (result, code) in Self.closeCodes {
            #expect(apus_result_close_code(result) == code)
        }
    }

    @Test func `limits let pass what just fits`() {
        let options = DecoderLog.options(as: .server) { options in
            options.frame_size_max = 5
            options.message_size_max = 8
            options.fragment_count_max = 2
        }
        func result(_ frames: [UInt8]) -> apus_result {
            DecoderLog(feeding: frames, options: options).result
        }
        let wire = Self.wire
        #expect(result(wire.text("12345")) == APUS_OK)
        #expect(result(wire.text("123456")) == APUS_FRAME_TOO_BIG)
        let start = wire.binary([1, 2, 3, 4], isFinal: false)
        #expect(result(start + wire.continuation([5, 6, 7, 8]) + start) == APUS_OK)
        #expect(result(start + wire.continuation([5, 6, 7, 8, 9])) == APUS_MESSAGE_TOO_BIG)
        let empty = wire.continuation([], isFinal: false)
        #expect(result(start + empty) == APUS_OK)
        #expect(result(start + empty + empty) == APUS_TOO_MANY_FRAGMENTS)
        #expect(result(wire.ping([1, 2, 3, 4, 5, 6, 7, 8, 9])) == APUS_OK)
    }

    @Test func `a limit of nothing lets only empty messages pass`() {
        let sizes = DecoderLog.options(as: .server) { $0.message_size_max = 0 }
        #expect(DecoderLog(feeding: Self.wire.text(""), options: sizes).result == APUS_OK)
        let log = DecoderLog(feeding: Self.wire.text("a"), options: sizes)
        #expect(log.result == APUS_MESSAGE_TOO_BIG)
        let frames = DecoderLog.options(as: .server) { $0.fragment_count_max = 0 }
        let none = DecoderLog(feeding: Self.wire.text(""), options: frames)
        #expect(none.result == APUS_TOO_MANY_FRAGMENTS)
    }

    @Test func `the largest limits do not overflow`() {
        let options = DecoderLog.options(as: .server) { options in
            options.frame_size_max = .max
            options.message_size_max = .max
        }
        let length = [127, 0x7F] + [UInt8](repeating: 0xFF, count: 7)
        let huge = Self.wire.header(firstByte: 0x02, length: length)
        let log = DecoderLog(feeding: huge + [1, 2, 3], options: options)
        #expect(log.result == APUS_OK)
        #expect(log.entries.count == 1)
    }

    @Test func `a switch allows what it names and nothing else`() {
        let length = [126, 0, 5] as [UInt8]
        let long =
            Self.wire.header(firstByte: 0x81, length: length) + Self.wire.masked([1, 2, 3, 4, 5])
        let longer = Self.wire.header(firstByte: 0x82, length: [127, 0, 0, 0, 0, 0, 0, 0, 0])
        let cases: [(Role, Int, [UInt8], apus_result)] = [
            (.server, APUS_ALLOW_UNMASKED, Self.plain.text("a"), APUS_MASK_MISSING),
            (.client, APUS_ALLOW_MASKED, Self.wire.text("a"), APUS_MASK_UNEXPECTED),
            (.server, APUS_ALLOW_NON_MINIMAL_LENGTH, long, APUS_LENGTH_NOT_MINIMAL),
            (.server, APUS_ALLOW_NON_MINIMAL_LENGTH, longer, APUS_LENGTH_NOT_MINIMAL),
        ]
        for (role, allowance, stream, violation) in cases {
            let strict = DecoderLog.options(as: role) { $0.allowances = 7 ^ UInt8(allowance) }
            #expect(DecoderLog(feeding: stream, options: strict).result == violation)
            let tolerant = DecoderLog.options(as: role) { $0.allowances = UInt8(allowance) }
            let log = DecoderLog(feeding: stream + stream, options: tolerant)
            #expect(log.result == APUS_OK)
            #expect(log.entries.count == 2)
        }
    }

    @Test func `text that begins with reserved bits is handed over unchecked`() {
        let stream = Self.plain.header(firstByte: 0xC1, length: [2]) + [0xFF, 0xFE]
        let strict = DecoderLog.options(as: .client)
        #expect(DecoderLog(feeding: stream, options: strict).result == APUS_RESERVED_BITS)
        let options = DecoderLog.options(as: .client) { options in
            options.reserved_bits_allowed = UInt8(APUS_RSV1)
        }
        let log = DecoderLog(feeding: stream + Self.plain.text("a"), options: options)
        #expect(log.result == APUS_OK)
        #expect(log.entries.count == 2)
    }

    /// A compressed message may begin with an empty frame, RFC 7692 §7.2.3.
    @Test(.rfc6455("5.2"))
    func `reserved bits are those that a message began with, however it is cut`() {
        let plain = Self.plain
        let stream =
            plain.header(firstByte: 0x41, length: [0]) + plain.continuation([0xFF, 0xFE])
            + plain.text("a") + plain.header(firstByte: 0x62, length: [1]) + [1]
            + plain.header(firstByte: 0x10, length: [1]) + [2]
            + plain.header(firstByte: 0xD9, length: [1]) + [3] + plain.continuation([4])
        let options = DecoderLog.options(as: .client) { options in
            options.reserved_bits_allowed = 0x70
        }
        let expected = DecoderLog(expectedOf: stream, as: .client, options: options)
        #expect(expected.reservedBits == [0x40, 0x60, 0x50])
        #expect(expected.entries.count == 5)
        let cuts = EverySplit.inTwo(stream.count) + [EverySplit.byteByByte(stream.count)]
        for pieces in [[0..<stream.count]] + cuts {
            let log = DecoderLog(feeding: stream, cut: pieces, options: options)
            #expect(log == expected, "\(pieces)")
        }
    }

    /// What a message may begin with, and nothing else have: RSV1 where permessage-deflate is in use.
    @Test(
        .rfc7692("6"),
        arguments: [
            ([0xC1, 0], true), ([0x41, 1, 0xFF, 0x80, 1, 0xFF], true), ([0xC2, 1, 7], true),
            ([0xC0, 0], false), ([0x41, 1, 0xFF, 0xC0, 1, 0xFF], false),
            ([0x41, 1, 0xFF, 0x40, 1, 0xFF], false), ([0xE1, 0], false), ([0x91, 0], false),
            ([0xC8, 0], false), ([0xC9, 0], false), ([0xCA, 0], false),
            ([0x01, 0, 0xC0, 0], false),
        ] as [([UInt8], Bool)]
    )
    func `bits of a message pass where it begins and nowhere else`(stream: [UInt8], passes: Bool) {
        let options = DecoderLog.options(as: .client) { options in
            options.message_bits_allowed = UInt8(APUS_RSV1)
        }
        let expected = DecoderLog(expectedOf: stream, as: .client, options: options)
        #expect(expected.result == (passes ? APUS_OK : APUS_RESERVED_BITS))
        let cuts = EverySplit.inTwo(stream.count) + [EverySplit.byteByByte(stream.count)]
        for pieces in [[0..<stream.count]] + cuts {
            let log = DecoderLog(feeding: stream, cut: pieces, options: options)
            #expect(log == expected, "\(pieces)")
        }
    }

    /// What our Close overtook, and what stays wrong all the same.
    static let brokenRules: [(wire: [UInt8], violation: apus_result, isOvertaken: Bool)] = [
        (wire.text([0x61, 0xFF, 0x62]), APUS_INVALID_UTF8, true),
        (wire.text([0x61, 0xE2]), APUS_INVALID_UTF8, true),
        (wire.text([0x61], isFinal: false) + wire.continuation([0xFF]), APUS_INVALID_UTF8, true),
        (wire.continuation([1]), APUS_CONTINUATION_UNEXPECTED, true),
        (wire.text("a", isFinal: false) + wire.text("b"), APUS_CONTINUATION_MISSING, true),
        (wire.binary([UInt8](repeating: 1, count: 11)), APUS_FRAME_TOO_BIG, true),
        (
            wire.binary([UInt8](repeating: 1, count: 8), isFinal: false)
                + wire.continuation([UInt8](repeating: 1, count: 5)),
            APUS_MESSAGE_TOO_BIG, true
        ),
        (
            (0..<4).flatMap { _ in wire.continuation([], isFinal: false) },
            APUS_TOO_MANY_FRAGMENTS, true
        ),
        ([0x83, 0x80], APUS_RESERVED_OPCODE, false),
        (wire.close(1000, [0xFF]), APUS_INVALID_UTF8, false),
        (wire.close(999), APUS_CLOSE_CODE_INVALID, false),
    ]

    @Test(.rfc6455("7.1.2"), arguments: brokenRules.indices)
    func `a rule of messages does not count for what our close frame overtook`(index: Int) {
        let (frames, violation, isOvertaken) = Self.brokenRules[index]
        // The fragments that are too many follow a beginning of their own.
        let start =
            violation == APUS_TOO_MANY_FRAGMENTS ? Self.wire.binary([], isFinal: false) : []
        let stream = start + frames + Self.wire.ping([1]) + Self.wire.close(1001)
        let options = DecoderLog.options(as: .server) { options in
            options.frame_size_max = 10
            options.message_size_max = 12
            options.fragment_count_max = 4
        }
        for pieces in [[0..<stream.count]] + EverySplit.inTwo(stream.count) {
            let log = DecoderLog(
                feeding: stream,
                cut: pieces,
                options: options,
                closingAtViolation: true
            )
            let close = DecoderLog.Entry.close(code: 1001, reason: [])
            #expect(log.result == (isOvertaken ? APUS_OK : violation), "\(pieces)")
            #expect(log.entries == (isOvertaken ? [close] : []), "\(pieces)")
        }
    }

    @Test func `whatever comes after a close frame is used up in silence`() {
        let stream = Self.wire.close(1001) + [0xFF, 0xFF, 0xFF]
        let log = DecoderLog(feeding: stream, options: DecoderLog.options(as: .server))
        #expect(log == DecoderLog(entries: [.close(code: 1001, reason: [])], result: APUS_OK))
    }

    @Test(.rfc6455("7.1.2"), arguments: [Role.server, .client])
    func `a side that closed hears of nothing but the peer's close frame`(role: Role) {
        let wire = WireBytes(to: role)
        let stream =
            wire.text("a") + wire.text("begun", isFinal: false) + wire.ping([1, 2])
            + wire.text([0xFF]) + wire.continuation([]) + wire.continuation([3]) + wire.pong()
            + wire.binary([UInt8](repeating: 1, count: 200))
        let close = wire.close(1000, [0x6F, 0x6B])
        let options = DecoderLog.options(as: role) { $0.check_utf8 = 0 }
        let legal = wire.text("a").count + wire.text("begun").count + wire.ping([1, 2]).count
        for cut in 0...legal {
            let end = stream.count + close.count
            for rest in [[cut..<end], (cut..<end).map { $0..<$0 + 1 }] {
                let log = DecoderLog(
                    feeding: stream + close,
                    cut: [0..<cut] + rest,
                    options: options,
                    eventCapacity: 1,
                    closingAfter: 0
                )
                let expected = DecoderLog.Entry.close(code: 1000, reason: [0x6F, 0x6B])
                #expect(log == DecoderLog(entries: [expected], result: APUS_OK), "cut at \(cut)")
            }
        }
        let broken = DecoderLog(
            feeding: wire.text("a") + [0xFF],
            cut: [0..<2, 2..<wire.text("a").count + 1],
            options: options,
            closingAfter: 0
        )
        #expect(broken == DecoderLog(entries: [], result: APUS_RESERVED_BITS))
    }
}
