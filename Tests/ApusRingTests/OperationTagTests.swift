// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusRing
import Testing

@Suite struct OperationTags {
    @Test(arguments: [
        OperationTag.Kind.accept, .receive, .send, .writable, .readable, .cancel, .connect,
        .arrival,
    ])
    func `tag keeps operation, generation and slot apart`(kind: OperationTag.Kind) {
        for generation: UInt32 in [0, 1, 0x00_ff00, OperationTag.generationCount - 1] {
            for slot: UInt32 in [0, 1, 0xffff, .max] {
                let made = OperationTag(kind, generation: generation, slot: slot)
                let tag = OperationTag(rawValue: made.rawValue)
                #expect(tag.kind == kind)
                #expect(tag.generation == generation)
                #expect(tag.slot == slot)
            }
        }
    }

    @Test(arguments: [0, 9 << 56, UInt64.max])
    func `value that was never handed out has no operation`(rawValue: UInt64) {
        #expect(OperationTag(rawValue: rawValue).kind == nil)
    }

    @Test func `ring carries every bit of a tag`() throws {
        let ring = try Ring(configuration: BufferMode.plain.tiny())
        let stream = try Stream()
        let generation = OperationTag.generationCount - 1
        let tag = OperationTag(.writable, generation: generation, slot: .max)
        ring.awaitWritable(stream.ours, tag: tag)
        #expect(try ring.turn().map(\.tag) == [tag])
    }
}
