// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusTestSupport
import CApusCodec
import Testing

extension InstructionSetTests {
    @Suite("Decoding") struct Decoding {
        @Test(arguments: Variant.available, 1...12 as ClosedRange<UInt64>)
        func `a variant finds in random streams what the reference does`(
            variant: Variant,
            seed: UInt64
        ) {
            variant.use {
                var random = SplitMix(seed: seed)
                for _ in 0..<50 {
                    let role: Role = Bool.random(using: &random) ? .server : .client
                    let options = DecoderLog.options(as: role) { options in
                        options.frame_size_max = [600, 1 << 20].randomElement(using: &random) ?? 0
                        options.message_size_max =
                            [900, 1 << 20].randomElement(using: &random) ?? 0
                        options.fragment_count_max = [3, 100].randomElement(using: &random) ?? 0
                        options.check_utf8 = [0, 1, 1].randomElement(using: &random) ?? 0
                    }
                    let stream = randomStream(to: role, using: &random)
                    let expected = DecoderLog(expectedOf: stream, as: role, options: options)
                        .withoutInvalidText()
                    let cuts = [
                        [0..<stream.count], EverySplit.byteByByte(stream.count),
                        randomCuts(of: stream.count, using: &random),
                    ]
                    for pieces in cuts {
                        let log = DecoderLog(
                            feeding: stream,
                            cut: pieces,
                            options: options,
                            eventCapacity: [1, 2, 64].randomElement(using: &random) ?? 1,
                            targetSeed: Bool.random(using: &random) ? random.next() : nil
                        )
                        #expect(log.withoutInvalidText() == expected, "seed \(seed)")
                    }
                }
            }
        }
    }
}

/// Frames in an order that is mostly legal; every other stream with a byte replaced.
private func randomStream(to role: Role, using random: inout SplitMix) -> [UInt8] {
    var stream: [UInt8] = []
    var isOpen = false
    for _ in 0..<Int.random(in: 1...12, using: &random) {
        let wire = WireBytes(maskingKey: role == .server ? random.bytes(4) : nil)
        let size = [0...4, 0...40, 110...130, 200...700].randomElement(using: &random) ?? 0...4
        var payload = Array(randomText(using: &random).prefix(Int.random(in: size, using: &random)))
        switch Int.random(in: 0..<12, using: &random) {
        case 0: stream += wire.ping(Array(payload.prefix(125)))
        case 1: stream += wire.pong(Array(payload.prefix(125)))
        case 2 where Int.random(in: 0..<4, using: &random) == 0:
            stream += Bool.random(using: &random) ? wire.close() : wire.close(1000, [0x61])
        default:
            let isFinal = Int.random(in: 0..<3, using: &random) > 0
            let isContinuation = isOpen != (Int.random(in: 0..<30, using: &random) == 0)
            let kind: Opcode = Bool.random(using: &random) ? .text : .binary
            while let last = payload.last, last >= 0x80, Bool.random(using: &random) {
                payload.removeLast()
            }
            stream += wire.frame(isContinuation ? .continuation : kind, payload, isFinal: isFinal)
            isOpen = !isFinal
        }
    }
    if Bool.random(using: &random), let index = stream.indices.randomElement(using: &random) {
        stream[index] = UInt8.random(in: 0...255, using: &random)
    }
    return stream
}

private func randomCuts(of count: Int, using random: inout SplitMix) -> [Range<Int>] {
    var pieces: [Range<Int>] = []
    var position = 0
    while position < count {
        let end = min(count, position + Int.random(in: 0...200, using: &random))
        pieces.append(position..<end)
        position = end
    }
    return pieces
}
