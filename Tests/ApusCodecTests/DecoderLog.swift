// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusTestSupport
import CApusCodec
import Testing

/// What a decoder said about a stream, in a form that does not depend on how the stream was cut.
struct DecoderLog: Equatable {
    enum Entry: Equatable {
        /// The parts of a message between which nothing else came, joined.
        case message(opcode: UInt8, bytes: [UInt8], isFirst: Bool, isLast: Bool)
        case ping([UInt8])
        case pong([UInt8])
        case close(code: UInt16, reason: [UInt8])
    }

    var entries: [Entry] = []
    var result = APUS_OK
    /// Those of RSV1 to RSV3 that the messages and control frames began with, where any did.
    var reservedBits: [UInt8] = []

    mutating func note(reservedBits bits: UInt8) {
        if bits != 0 { reservedBits.append(bits) }
    }

    mutating func append(opcode: UInt8, bytes: [UInt8], isFirst: Bool, isLast: Bool) {
        guard !isFirst,
            case .message(opcode, let before, let wasFirst, false)? = entries.last
        else {
            entries.append(
                .message(opcode: opcode, bytes: bytes, isFirst: isFirst, isLast: isLast)
            )
            return
        }
        entries[entries.count - 1] = .message(
            opcode: opcode,
            bytes: before + bytes,
            isFirst: wasFirst,
            isLast: isLast
        )
    }

    /// How much of a text came before its first invalid byte depends on the cuts.
    func withoutInvalidText() -> Self {
        guard result == APUS_INVALID_UTF8,
            case .message(_, _, _, isLast: false)? = entries.last
        else { return self }
        var log = self
        log.entries.removeLast()
        return log
    }
}

extension DecoderLog {
    static func options(
        as role: Role,
        _ change: (inout apus_decoder_options) -> Void = { _ in }
    ) -> apus_decoder_options {
        var options = apus_decoder_options()
        unsafe apus_decoder_options_init(&options, role == .server ? APUS_SERVER : APUS_CLIENT)
        change(&options)
        return options
    }

    /// Feeds the pieces of a stream, each against a page that must not be touched; after the one
    /// with the index closingAfter the own side closes.
    ///
    /// With a seed, messages that are cut go on in targets of random room. Closing at a violation is
    /// what a side does whose application had closed before it was told of it.
    init(
        feeding stream: [UInt8],
        cut pieces: [Range<Int>]? = nil,
        options: apus_decoder_options,
        eventCapacity: Int = 64,
        closingAfter closingIndex: Int? = nil,
        closingAtViolation: Bool = false,
        targetSeed: UInt64? = nil
    ) {
        var closesAtViolation = closingAtViolation
        var options = options
        var decoder = unsafe apus_decoder()
        unsafe apus_decoder_init(&decoder, &options)
        let buffer = GuardedBuffer(pageCount: 16)
        let targets = GuardedBuffer(pageCount: 1)
        var target = unsafe targets.last(0)
        var random = SplitMix(seed: targetSeed ?? 0)
        var events = [apus_event](repeating: apus_event(), count: eventCapacity)
        for (index, piece) in (pieces ?? [0..<stream.count]).enumerated() {
            var rest = unsafe buffer.last(piece.count)
            _ = unsafe rest.update(from: stream[piece])
            while true {
                var used = -1
                var count = -1
                if targetSeed != nil, Bool.random(using: &random) {
                    unsafe target = targets.last(Int.random(in: 0...140, using: &random))
                    unsafe apus_decoder_set_target(&decoder, target.baseAddress, target.count)
                }
                result = unsafe apus_decoder_feed(
                    &decoder,
                    rest.baseAddress,
                    rest.count,
                    &used,
                    &events,
                    eventCapacity,
                    &count
                )
                #expect((0...rest.count).contains(used))
                #expect((0...eventCapacity).contains(count))
                for event in events.prefix(count) {
                    unsafe append(event, of: &decoder, in: rest, or: target)
                }
                if result != APUS_OK, closesAtViolation {
                    closesAtViolation = false
                    entries = []
                    unsafe apus_decoder_await_close(&decoder)
                    unsafe rest = UnsafeMutableBufferPointer(rebasing: rest[used...])
                    continue
                }
                if result != APUS_OK {
                    unsafe expectRepetition(by: &decoder, of: rest)
                    return
                }
                unsafe rest = UnsafeMutableBufferPointer(rebasing: rest[used...])
                if rest.isEmpty { break }
                #expect(used > 0, "no progress")
                if used == 0 { return }
            }
            if index == closingIndex {
                entries = []
                unsafe apus_decoder_await_close(&decoder)
            }
        }
    }

    private mutating func append(
        _ event: apus_event,
        of decoder: inout apus_decoder,
        in bytes: UnsafeMutableBufferPointer<UInt8>,
        or target: UnsafeMutableBufferPointer<UInt8>
    ) {
        let range = event.offset..<event.offset + event.size
        let payload: [UInt8]
        switch apus_place(rawValue: UInt32(event.place)) {
        case APUS_PLACE_DECODER:
            let collected = unsafe UnsafeBufferPointer(
                start: apus_decoder_control_payload(&decoder),
                count: 125
            )
            payload = unsafe Array(collected[range])
        case APUS_PLACE_TARGET: payload = unsafe Array(target[range])
        default: payload = unsafe Array(bytes[range])
        }
        if event.kind != UInt8(APUS_EVENT_MESSAGE_PART.rawValue) {
            note(reservedBits: event.reserved_bits)
        }
        switch apus_event_kind(rawValue: UInt32(event.kind)) {
        case APUS_EVENT_MESSAGE_PART:
            if event.is_first != 0 { note(reservedBits: event.reserved_bits) }
            append(
                opcode: event.opcode,
                bytes: payload,
                isFirst: event.is_first != 0,
                isLast: event.is_last != 0
            )
            #expect(event.remaining == 0 || event.is_last == 0)
        case APUS_EVENT_PING: entries.append(.ping(payload))
        case APUS_EVENT_PONG: entries.append(.pong(payload))
        case APUS_EVENT_CLOSE: entries.append(.close(code: event.close_code, reason: payload))
        default: Issue.record("an event of kind \(event.kind)")
        }
    }

    private func expectRepetition(
        by decoder: inout apus_decoder,
        of bytes: UnsafeMutableBufferPointer<UInt8>
    ) {
        var used = 1
        var count = 1
        var event = apus_event()
        let again = unsafe apus_decoder_feed(
            &decoder,
            bytes.baseAddress,
            bytes.count,
            &used,
            &event,
            1,
            &count
        )
        #expect(again == result)
        #expect(used == 0)
        #expect(count == 0)
    }
}
