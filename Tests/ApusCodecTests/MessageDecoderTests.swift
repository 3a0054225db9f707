// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import ApusCodec
import ApusTestSupport
import CApusCodec
import Testing

/// The Swift face; what is decoded, and how it may be cut, is tested with the C decoder behind it.
@Suite("Message decoder") struct MessageDecoderTests {
    static let wire = WireBytes(to: .server)

    /// A server's decoder, what it was fed and what it found.
    struct Server {
        var decoder: MessageDecoder
        var bytes: [UInt8] = []
        var events: [DecodedEvent] = []
        var violation: ProtocolViolation?
        var position = 0

        init(_ configure: (inout MessageDecoder.Options) -> Void = { _ in }) {
            var options = MessageDecoder.Options(role: .server)
            configure(&options)
            decoder = MessageDecoder(options)
        }

        mutating func decode(_ wire: [UInt8], from start: Int = 0, capacity: Int = 64) {
            var found = DecodedEvents(capacity: capacity)
            var fed = wire
            position = start
            events = []
            var span = fed.mutableSpan
            violation = decoder.decode(&span, from: &position, into: &found)
            bytes = fed
            for index in 0..<found.count { events.append(found[index]) }
        }

        mutating func decode(_ wire: [UInt8], behind text: inout [UInt8], room: Int) {
            var found = DecodedEvents()
            var fed = wire
            position = 0
            events = []
            var span = fed.mutableSpan
            text.append(addingCapacity: room) { target in
                violation = decoder.decode(
                    &span,
                    from: &position,
                    into: &found,
                    continuingIn: &target
                )
            }
            bytes = fed
            for index in 0..<found.count { events.append(found[index]) }
        }

        func payload(of payload: DecodedPayload) -> [UInt8] {
            decoder.withBytes(of: payload, in: bytes.span) { span in
                span.indices.map { span[$0] }
            }
        }
    }

    private static func part(
        _ kind: MessageKind,
        _ range: Range<Int>,
        in place: DecodedPayload.Place = .received,
        isFirst: Bool = true,
        isLast: Bool = true,
        remaining: Int = 0
    ) -> DecodedEvent {
        .messagePart(
            MessagePart(
                kind: kind,
                payload: DecodedPayload(range, in: place),
                isFirst: isFirst,
                isLast: isLast,
                remainingByteCount: remaining
            )
        )
    }

    @Test(arguments: [0, 1, 9])
    func `events name ranges of the bytes that were given`(start: Int) {
        var server = Server()
        let wire =
            Self.wire.text("abc") + Self.wire.binary([1], isFinal: false)
            + Self.wire.continuation([2]) + Self.wire.ping([3, 4]) + Self.wire.pong([])
            + Self.wire.close(1000, Array("bye".utf8))
        server.decode([UInt8](repeating: 0xEE, count: start) + wire, from: start)
        #expect(server.violation == nil)
        #expect(server.position == start + wire.count)
        #expect(
            server.events == [
                Self.part(.text, start + 6..<start + 9),
                Self.part(.binary, start + 15..<start + 16, isLast: false),
                Self.part(.binary, start + 22..<start + 23, isFirst: false),
                .ping(DecodedPayload(start + 29..<start + 31)),
                .pong(DecodedPayload(start + 37..<start + 37)),
                .close(.normalClosure, reason: DecodedPayload(start + 45..<start + 48)),
            ]
        )
        #expect(Array(server.bytes[(start + 6)..<(start + 9)]) == Array("abc".utf8))
        #expect(server.payload(of: DecodedPayload(start + 29..<start + 31)) == [3, 4])
    }

    @Test func `a full batch leaves the rest for the next call`() {
        var server = Server()
        let wire = Self.wire.text("a") + Self.wire.text("b") + Self.wire.text("c")
        server.decode(wire, capacity: 2)
        #expect(server.events.count == 2)
        #expect(server.position == 14)
        server.decode(wire, from: server.position, capacity: 2)
        #expect(server.events == [Self.part(.text, 20..<21)])
    }

    @Test func `no bytes are no event`() {
        var server = Server()
        server.decode([])
        #expect(server.violation == nil)
        #expect(server.events.isEmpty)
        #expect(server.decoder.isIdle)
    }

    @Test func `idle is what the C decoder says, at every cut`() {
        let wire = Self.wire
        let streams = [
            wire.text("ab"), wire.ping([1]), wire.close(1000), wire.close(1),
            wire.text("a", isFinal: false) + wire.continuation([0x62]), [0x83],
            wire.text([0xFF]),
        ]
        for stream in streams {
            for cut in 0...stream.count {
                for isClosing in [false, true] {
                    var server = Server()
                    if isClosing { server.decoder.awaitClose() }
                    server.decode(Array(stream[..<cut]))
                    var decoder = unsafe server.decoder.decoder
                    let isIdle = unsafe apus_decoder_is_idle(&decoder)
                    #expect(server.decoder.isIdle == isIdle, "\(stream), cut at \(cut)")
                }
            }
        }
    }

    @Test func `a new decoder is what C makes of its options`() {
        var options = MessageDecoder.Options(role: .client)
        options.reservedBitsAllowed = 0x20
        options.messageBitsAllowed = 0x40
        var made = unsafe apus_decoder()
        unsafe apus_decoder_init(&made, &options.options)
        var decoder = unsafe MessageDecoder(options).decoder
        let isSame = unsafe withUnsafeBytes(of: &made) { made in
            unsafe withUnsafeBytes(of: &decoder) { unsafe made.elementsEqual($0) }
        }
        #expect(isSame)
    }

    @Test func `a control payload that came cut lies in the decoder`() {
        var server = Server()
        let ping = Self.wire.ping([1, 2, 3])
        server.decode(Array(ping[..<7]))
        #expect(server.events.isEmpty)
        #expect(!server.decoder.isIdle)
        server.decode(Array(ping[7...]))
        let payload = DecodedPayload(0..<3, in: .decoder)
        #expect(server.events == [.ping(payload)])
        #expect(server.payload(of: payload) == [1, 2, 3])
        #expect(server.decoder.isIdle)
    }

    @Test func `the rest of a message goes behind its beginning as far as there is room`() {
        var server = Server()
        let wire = Self.wire.text("0123456789")
        server.decode(Array(wire[..<10]))
        #expect(server.events == [Self.part(.text, 6..<10, isLast: false, remaining: 6)])
        var text = Array(server.bytes[6...])
        text.reserveCapacity(64)
        server.decode(Array(wire[10..<13]), behind: &text, room: 3)
        let stored = Self.part(
            .text,
            0..<3,
            in: .target,
            isFirst: false,
            isLast: false,
            remaining: 3
        )
        #expect(server.events == [stored])
        #expect(text == Array("0123456".utf8))
        #expect(server.bytes == Array(wire[10..<13]))
        server.decode(Array(wire[13...]) + Self.wire.text("next"), behind: &text, room: 1)
        #expect(Array("01234567".utf8) == text)
        #expect(server.events.count == 3)
        #expect(server.events.last == Self.part(.text, 9..<13))
    }

    @Test func `what is not valid has no event and is not counted as stored`() {
        var server = Server()
        server.decode(Self.wire.text("ab", isFinal: false))
        var text = Array("ab".utf8)
        server.decode(
            Self.wire.header(firstByte: 0x80, length: [2]) + Self.wire.masked([0xFF, 0xFF]),
            behind: &text,
            room: 16
        )
        #expect(server.violation == .invalidUTF8)
        #expect(server.events.isEmpty)
        #expect(text == Array("ab".utf8))
    }

    @Test func `a violation comes behind the events before it, and again`() {
        var server = Server()
        server.decode(Self.wire.text("a") + [0x83])
        #expect(server.events == [Self.part(.text, 6..<7)])
        #expect(server.violation == .reservedOpcode)
        server.decode(Self.wire.text("b"))
        #expect(server.events.isEmpty)
        #expect(server.violation == .reservedOpcode)
        server.decode([])
        #expect(server.violation == .reservedOpcode)
    }

    @Test func `only the peer's close frame is awaited behind our own`() {
        var server = Server()
        server.decoder.awaitClose()
        #expect(!server.decoder.isIdle)
        server.decode(Self.wire.text("a") + Self.wire.ping([1]) + Self.wire.close(1001))
        #expect(server.events == [.close(.goingAway, reason: DecodedPayload(22..<22))])
    }

    @Test func `options reach the decoder`() {
        func violation(
            of wire: [UInt8],
            _ configure: (inout MessageDecoder.Options) -> Void
        ) -> ProtocolViolation? {
            var server = Server(configure)
            server.decode(wire)
            return server.violation
        }
        let fragments = Self.wire.text("ab", isFinal: false) + Self.wire.continuation([0x63])
        #expect(violation(of: fragments) { $0.frameByteCountMax = 1 } == .frameTooBig)
        #expect(violation(of: fragments) { $0.messageByteCountMax = 2 } == .messageTooBig)
        #expect(violation(of: fragments) { $0.fragmentCountMax = 1 } == .tooManyFragments)
        let invalid = Self.wire.header(firstByte: 0x81, length: [1]) + Self.wire.masked([0xFF])
        #expect(violation(of: invalid) { _ in } == .invalidUTF8)
        #expect(violation(of: invalid) { $0.checksUTF8 = false } == nil)
        let reserved = Self.wire.header(firstByte: 0xC2, length: [0])
        #expect(violation(of: reserved) { _ in } == .reservedBits)
        #expect(violation(of: reserved) { $0.reservedBitsAllowed = 0x40 } == nil)
        #expect(violation(of: reserved) { $0.messageBitsAllowed = 0x40 } == nil)
        #expect(violation(of: [0x82, 0x00]) { $0.allowances = .nonMinimalLengths } == .missingMask)
        #expect(violation(of: [0x82, 0x00]) { $0.allowances = .unmaskedFrames } == nil)
    }

    /// Counters where no stream of a test could bring them, hence the look inside.
    @Test func `the largest limits count the last byte and fragment and refuse the next`() {
        func server(byteCount: UInt64, fragmentCount: UInt32) -> Server {
            var server = Server { options in
                options.frameByteCountMax = .max
                options.messageByteCountMax = .max
                options.fragmentCountMax = .max
            }
            server.decode(Self.wire.binary([], isFinal: false))
            unsafe server.decoder.decoder.message_size = byteCount
            unsafe server.decoder.decoder.fragment_count = fragmentCount
            return server
        }
        let empty = Self.wire.continuation([], isFinal: false)
        var fragments = server(byteCount: 0, fragmentCount: .max - 1)
        fragments.decode(empty)
        #expect(fragments.violation == nil)
        fragments.decode(empty)
        #expect(fragments.violation == .tooManyFragments)

        var bytes = server(byteCount: .max - 1, fragmentCount: 1)
        bytes.decode(Self.wire.continuation([1], isFinal: false))
        #expect(bytes.violation == nil)
        bytes.decode(Self.wire.continuation([1], isFinal: false))
        #expect(bytes.violation == .messageTooBig)
    }
}
