// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusTestSupport
import CApusCodec
import Testing

@Suite("Decoder targets", .rfc6455("5.4"))
struct DecoderTargetTests {
    static let wire = WireBytes(to: .server)

    @Test(arguments: DecoderTests.corpus.indices, 1...8 as ClosedRange<UInt64>)
    func `a message is the same in place and in targets`(index: Int, seed: UInt64) {
        let (role, stream) = DecoderTests.corpus[index]
        let options = DecoderLog.options(as: role)
        let cuts = EverySplit.inTwo(stream.count) + [EverySplit.byteByByte(stream.count)]
        for (number, pieces) in cuts.enumerated() {
            let inPlace = DecoderLog(feeding: stream, cut: pieces, options: options)
            let log = DecoderLog(
                feeding: stream,
                cut: pieces,
                options: options,
                eventCapacity: [1, 64][number % 2],
                targetSeed: seed << 32 + UInt64(number)
            )
            #expect(log.withoutInvalidText() == inPlace.withoutInvalidText(), "cut \(pieces)")
        }
    }

    /// A decoder that took a part of a stream, and what it answers to the rest.
    @safe struct Reader {
        var decoder = unsafe apus_decoder()
        var events = [apus_event](repeating: apus_event(), count: 8)

        init(options: apus_decoder_options = DecoderLog.options(as: .server)) {
            var options = options
            unsafe apus_decoder_init(&decoder, &options)
        }

        func isIdle() -> Bool {
            var copy = unsafe decoder
            return unsafe apus_decoder_is_idle(&copy)
        }

        /// The events of all the bytes, which may change.
        mutating func feed(_ bytes: inout [UInt8]) -> (result: apus_result, events: [apus_event]) {
            var used = 0
            var count = 0
            let result = unsafe apus_decoder_feed(
                &decoder,
                &bytes,
                bytes.count,
                &used,
                &events,
                events.count,
                &count
            )
            #expect(result != APUS_OK || used == bytes.count)
            return (result, Array(events.prefix(count)))
        }
    }

    /// Place, offset, size, remaining, whether it is the last.
    static func shape(_ event: apus_event) -> [Int] {
        [
            Int(event.place), Int(event.offset), Int(event.size), Int(event.remaining),
            Int(event.is_last),
        ]
    }

    @Test func `a part that only half fits becomes two events, and what follows is in place`() {
        let text = Array("äöüßÄÖÜ".utf8)
        let stream = Self.wire.text(text, isFinal: false) + Self.wire.continuation(text)
        var reader = Reader()
        var start = Array(stream[..<9])
        let first = reader.feed(&start)
        #expect(first.events.map(Self.shape) == [[0, 6, 3, 11, 0]])

        let target = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 17)
        defer { unsafe target.deallocate() }
        unsafe apus_decoder_set_target(&reader.decoder, target.baseAddress, 17)
        var rest = Array(stream[9...])
        let second = reader.feed(&rest)
        #expect(second.result == APUS_OK)
        #expect(
            second.events.map(Self.shape) == [
                [2, 0, 11, 0, 0], [2, 11, 6, 8, 0], [0, 23, 8, 0, 1],
            ]
        )
        #expect(unsafe Array(target) == Array(text[3...] + text[..<6]))
        #expect(Array(rest[..<23]) == Array(stream[9..<32]))
        #expect(Array(rest[23...]) == Array(text[6...]))
        #expect(reader.isIdle())
    }

    @Test func `a target is forgotten when its message ends, is replaced or awaits a close`() {
        let stream = Self.wire.binary([1, 2, 3, 4, 5, 6])
        let first = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 8)
        let second = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 8)
        unsafe first.initialize(repeating: 0)
        unsafe second.initialize(repeating: 0)
        defer {
            unsafe first.deallocate()
            unsafe second.deallocate()
        }
        var reader = Reader()
        // No message is under way: no effect.
        unsafe apus_decoder_set_target(&reader.decoder, first.baseAddress, 8)
        var pieces = [stream[..<8], stream[8..<10], stream[10...]].map(Array.init)
        #expect(reader.feed(&pieces[0]).events.map(Self.shape) == [[0, 6, 2, 4, 0]])
        unsafe apus_decoder_set_target(&reader.decoder, first.baseAddress, 8)
        #expect(reader.feed(&pieces[1]).events.map(Self.shape) == [[2, 0, 2, 2, 0]])
        unsafe apus_decoder_set_target(&reader.decoder, second.baseAddress, 8)
        pieces[2] += stream
        #expect(
            reader.feed(&pieces[2]).events.map(Self.shape) == [[2, 0, 2, 0, 1], [0, 8, 6, 0, 1]]
        )
        #expect(unsafe Array(first) == [3, 4, 0, 0, 0, 0, 0, 0])
        #expect(unsafe Array(second) == [5, 6, 0, 0, 0, 0, 0, 0])

        var begun = Array(stream[..<8])
        _ = reader.feed(&begun)
        unsafe apus_decoder_set_target(&reader.decoder, second.baseAddress, 8)
        unsafe apus_decoder_await_close(&reader.decoder)
        var skipped = Array(stream[8...]) + stream
        #expect(reader.feed(&skipped).events.isEmpty)
        #expect(unsafe Array(second) == [5, 6, 0, 0, 0, 0, 0, 0])
    }

    @Test(arguments: [Role.server, .client])
    func `a decoder is idle between messages and nowhere else`(role: Role) {
        let wire = WireBytes(to: role)
        let bytes = [UInt8](repeating: 0x42, count: 126)
        let frames: [(bytes: [UInt8], isIdleAfter: Bool)] = [
            (wire.text("Hello"), true), (wire.binary([]), true), (wire.ping([1, 2]), true),
            (wire.text("a", isFinal: false), false), (wire.pong(), false),
            (wire.continuation([], isFinal: false), false), (wire.continuation(bytes), true),
            (wire.text("", isFinal: false), false), (wire.continuation([]), true),
            (wire.close(1000), false), (wire.text("after"), false),
        ]
        let stream = frames.flatMap(\.bytes)
        var boundaries: Set = [0]
        var end = 0
        for frame in frames {
            end += frame.bytes.count
            if frame.isIdleAfter { boundaries.insert(end) }
        }
        for cut in 0...stream.count {
            var reader = Reader(options: DecoderLog.options(as: role))
            var piece = Array(stream[..<cut])
            while !piece.isEmpty {
                var used = 0
                var count = 0
                let result = unsafe apus_decoder_feed(
                    &reader.decoder,
                    &piece,
                    piece.count,
                    &used,
                    &reader.events,
                    8,
                    &count
                )
                #expect(result == APUS_OK)
                piece.removeFirst(used)
            }
            #expect(reader.isIdle() == boundaries.contains(cut), "cut at \(cut)")
        }
        var broken = Reader(options: DecoderLog.options(as: role))
        var violation: [UInt8] = [0xFF]
        #expect(broken.feed(&violation).result == APUS_RESERVED_BITS)
        #expect(!broken.isIdle())
        var closing = Reader(options: DecoderLog.options(as: role))
        unsafe apus_decoder_await_close(&closing.decoder)
        #expect(!closing.isIdle())
    }
}
