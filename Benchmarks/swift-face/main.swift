// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import CApusCodec
import Glibc

// What the Swift face of the codec costs over the C functions behind it: both do the same work in
// turn, round by round, in one process. See README.md next to this folder.

/// Masked text frames, one behind the other.
func frames(_ count: Int, payloadByteCount: Int) -> [UInt8] {
    let key = MaskingKey(0x37, 0xFA, 0x21, 0x3D)
    let header = FrameHeader(
        opcode: .text,
        payloadByteCount: UInt64(payloadByteCount),
        maskingKey: key
    )
    let start = header.headerByteCount
    var frame = [UInt8](repeating: 0, count: start)
    frame += [UInt8](repeating: 0x61, count: payloadByteCount)
    var span = frame.mutableSpan
    _ = header.encode(into: &span)
    key.apply(to: &span, range: start..<span.count)
    return (0..<count).flatMap { _ in frame }
}

/// The same work twice; what it returns is summed up, so that nothing can be left out.
struct Comparison {
    let name: String
    let c: () -> Int
    let swift: () -> Int
}

func nanoseconds() -> UInt64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

nonisolated(unsafe) var sink = 0

/// Nanoseconds of a call: the shortest of three batches.
func sample(_ calls: Int, _ work: () -> Int) -> Double {
    var best = UInt64.max
    for _ in 0..<3 {
        let start = nanoseconds()
        for _ in 0..<calls { unsafe sink &+= work() }
        best = min(best, nanoseconds() - start)
    }
    return Double(best) / Double(calls)
}

func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    return sorted[sorted.count / 2]
}

/// Both sides work on the same memory.
///
/// A key of zeros costs what any costs, and leaves the text a text.
func comparisons(byteCount: Int) -> [Comparison] {
    let memory = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: byteCount)
    unsafe memory.initialize(repeating: 0x61)
    guard let start = unsafe memory.baseAddress else { return [] }
    let range = 0..<byteCount
    return [
        Comparison(name: "mask \(byteCount) B") {
            unsafe apus_mask(start, byteCount, 0, 0)
            return unsafe Int(start[0])
        } swift: {
            var span = unsafe MutableSpan(_unsafeElements: memory)
            MaskingKey(wireOrder: 0).apply(to: &span, range: range)
            return unsafe Int(start[0])
        },
        Comparison(name: "check \(byteCount) B") {
            var state: apus_utf8_state = 0
            return unsafe apus_utf8_validate(&state, start, byteCount) && state == 0 ? 1 : 0
        } swift: {
            var validator = UTF8Validator()
            let isValid = unsafe validator.validate(Span(_unsafeElements: memory), range: range)
            return isValid && validator.isAtBoundary ? 1 : 0
        },
        Comparison(name: "unmask and check \(byteCount) B") {
            var state: apus_utf8_state = 0
            return unsafe apus_mask_utf8(&state, start, byteCount, 0, 0) && state == 0 ? 1 : 0
        } swift: {
            var validator = UTF8Validator()
            var span = unsafe MutableSpan(_unsafeElements: memory)
            let isValid = validator.validate(
                unmasking: &span,
                range: range,
                with: MaskingKey(wireOrder: 0),
                payloadOffset: 0
            )
            return isValid && validator.isAtBoundary ? 1 : 0
        },
    ]
}

/// Whether both sides unmask and check the same range of a text alike, in place.
func agree(_ text: [UInt8], key: MaskingKey) -> Bool {
    var (c, swift) = (text, text)
    let range = 3..<text.count - 1
    var state: apus_utf8_state = 0
    let isValidInC = unsafe c.withUnsafeMutableBufferPointer { buffer in
        guard let start = unsafe buffer.baseAddress else { return false }
        let first = unsafe start + range.lowerBound
        unsafe apus_mask(first, range.count, key.wireOrder, 1)
        return unsafe apus_mask_utf8(&state, first, range.count, key.wireOrder, 1)
    }
    var span = swift.mutableSpan
    var validator = UTF8Validator()
    key.apply(to: &span, range: range, payloadOffset: 1)
    let isValid = validator.validate(unmasking: &span, range: range, with: key, payloadOffset: 1)
    return c == swift && isValidInC == isValid && (state == 0) == validator.isAtBoundary
}

/// The header of a frame, and a buffer of many frames.
///
/// They are decoded where they lie, so a copy for each call is part of the work of both sides.
func decoding(frameCount: Int) -> [Comparison] {
    let wire = frames(frameCount, payloadByteCount: 20)
    let byteCount = wire.count
    let source = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: byteCount)
    let memory = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: byteCount)
    _ = unsafe source.initialize(from: wire)
    _ = unsafe memory.initialize(from: wire)
    let eventCapacity = 64
    let events = UnsafeMutablePointer<apus_event>.allocate(capacity: eventCapacity)
    // Behind a pointer: an access to a captured variable is checked at run time, which is no part of
    // the work.
    let decoded = UnsafeMutablePointer<DecodedEvents>.allocate(capacity: 1)
    unsafe decoded.initialize(to: DecodedEvents(capacity: eventCapacity))
    guard let start = unsafe memory.baseAddress, let from = unsafe source.baseAddress else {
        return []
    }
    let part = UInt8(APUS_EVENT_MESSAGE_PART.rawValue)
    let header = Comparison(name: "header") {
        var header = apus_frame_header()
        let result = unsafe apus_frame_header_decode(from, byteCount, APUS_SERVER, 0, &header)
        return result == APUS_OK ? Int(header.payload_size) : -1
    } swift: {
        let span = unsafe Span(_unsafeElements: UnsafeBufferPointer(source))
        guard case .header(let header) = FrameHeader.decode(span, as: .server) else { return -1 }
        return Int(header.payloadByteCount)
    }
    let decoder = Comparison(name: "decode \(frameCount) frames of 20 B") {
        unsafe start.update(from: from, count: byteCount)
        var options = apus_decoder_options()
        unsafe apus_decoder_options_init(&options, APUS_SERVER)
        var decoder = unsafe apus_decoder()
        unsafe apus_decoder_init(&decoder, &options)
        var (position, sum) = (0, 0)
        repeat {
            var (used, count) = (0, 0)
            let result = unsafe apus_decoder_feed(
                &decoder,
                start + position,
                byteCount - position,
                &used,
                events,
                eventCapacity,
                &count
            )
            guard result == APUS_OK else { return -1 }
            for index in 0..<count {
                let event = unsafe events[index]
                guard event.kind == part else { return -1 }
                sum += position + event.offset
            }
            position += used
        } while position < byteCount
        return unsafe apus_decoder_is_idle(&decoder) ? sum : -1
    } swift: {
        unsafe start.update(from: from, count: byteCount)
        var decoder = MessageDecoder(MessageDecoder.Options(role: .server))
        var span = unsafe MutableSpan(_unsafeElements: memory)
        var (position, sum) = (0, 0)
        repeat {
            let violation = unsafe decoder.decode(&span, from: &position, into: &decoded.pointee)
            guard violation == nil else { return -1 }
            for index in unsafe 0..<decoded.pointee.count {
                guard case .messagePart(let part) = unsafe decoded.pointee[index] else { return -1 }
                sum += part.payload.range.lowerBound
            }
        } while position < span.count
        return decoder.isIdle ? sum : -1
    }
    return frameCount == 1 ? [header, decoder] : [decoder]
}

let texts = ["Latin, süß", "日本語のテキスト", "cut: 日本"].map { Array($0.utf8) }
guard texts.allSatisfy({ agree($0, key: MaskingKey(0x37, 0xFA, 0x21, 0x3D)) }) else {
    fatalError("C and Swift unmask or check differently")
}

let rounds = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 51
print("| work | C, ns | Swift, ns | Swift : C | IQR |")
print("|---|---:|---:|---:|---|")
for comparison in comparisons(byteCount: 20) + comparisons(byteCount: 1024)
    + decoding(frameCount: 1) + decoding(frameCount: 600)
{
    guard comparison.c() == comparison.swift() else {
        fatalError("\(comparison.name): C and Swift differ")
    }
    let calls = Swift.max(1, Int(50_000 / sample(100, comparison.c)))
    var (c, swift) = ([Double](), [Double]())
    for round in 0..<rounds {
        // The order alternates.
        if round % 2 == 0 {
            c.append(sample(calls, comparison.c))
            swift.append(sample(calls, comparison.swift))
        } else {
            swift.append(sample(calls, comparison.swift))
            c.append(sample(calls, comparison.c))
        }
    }
    let ratios = zip(swift, c).map { $0 / $1 }.sorted()
    func text(_ value: Double, _ digits: Int) -> String {
        let scale = (0..<digits).reduce(1.0) { scale, _ in scale * 10 }
        let whole = String(Int((value * scale).rounded()))
        let padded = String(repeating: "0", count: Swift.max(0, digits + 1 - whole.count)) + whole
        return padded.dropLast(digits) + "." + padded.suffix(digits)
    }
    let quartiles = (ratios[ratios.count / 4], ratios[ratios.count * 3 / 4])
    print(
        "| \(comparison.name) | \(text(median(c), 1)) | \(text(median(swift), 1))",
        "| \(text(median(ratios), 2)) | \(text(quartiles.0, 2))–\(text(quartiles.1, 2)) |"
    )
}
