// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import Testing

@testable import ApusLoad

@Suite struct `Messages that come in pieces` {
    /// What comes of a payload that is cut at these places.
    private func take(
        _ bytes: [UInt8],
        cutAt cuts: [Int],
        _ pattern: MessagePattern,
        near expected: UInt64 = 10
    ) -> PartialMessage {
        let origin = pattern.origin(of: 3)
        var partial = PartialMessage(decoder: MessageDecoder(MessageDecoder.Options(role: .client)))
        partial.beginMessage()
        let ends = cuts + [bytes.count]
        var start = 0
        for (index, end) in ends.enumerated() {
            unsafe bytes[start..<end].withUnsafeBytes { piece in
                unsafe partial.take(piece, isLast: index == ends.count - 1) { head in
                    unsafe origin.sequence(in: head, near: expected)
                } message: { sequence, _ in
                    pattern.message(sequence, from: origin)
                }
            }
            start = end
        }
        return partial
    }

    @Test(arguments: [0, 1, 7, 8, 15, 16, 17, 40, 130, 300])
    func `are intact and known wherever they are cut`(_ size: Int) {
        let pattern = MessagePattern(sizes: size...size, seed: 2)
        let bytes = payload(12, pattern)
        for first in 0...size {
            for second in Set([first, (first + size) / 2, size]) {
                let whole = take(bytes, cutAt: [first, second], pattern)
                #expect(whole.isIntact, "cut at \(first) and \(second)")
                // Nothing looks like any number: it is taken for the next one.
                #expect(whole.sequence == (size == 0 ? 10 : 12))
                #expect(whole.byteCount == size)
            }
        }
    }

    @Test(arguments: [1, 8, 17, 40, 300])
    func `are not intact with a byte changed, missing or added`(_ size: Int) {
        let pattern = MessagePattern(sizes: size...size, seed: 2)
        let bytes = payload(12, pattern)
        for cut in Set([0, 1, size / 2, size - 1]) {
            for index in 0..<size {
                var changed = bytes
                changed[index] ^= 0x40
                let whole = take(changed, cutAt: [cut], pattern)
                // With few bytes a changed number is another message's, but not this one's.
                #expect(!whole.isIntact || whole.sequence != 12, "byte \(index), cut at \(cut)")
            }
            #expect(!take(bytes + [0x30], cutAt: [cut], pattern).isIntact)
            if size > 1 { #expect(!take(bytes.dropLast(), cutAt: [cut], pattern).isIntact) }
        }
    }
}
