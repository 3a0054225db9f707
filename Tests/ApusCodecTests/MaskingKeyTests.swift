// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import Testing

@Suite("Masking key") struct MaskingKeyTests {
    /// The masked "Hello" of RFC 6455 §5.7.
    let key = MaskingKey(0x37, 0xFA, 0x21, 0x3D)
    let masked: [UInt8] = [0x7F, 0x9F, 0x4D, 0x51, 0x58]

    @Test func `key unmasks the example of the RFC`() {
        var bytes = masked
        key.apply(to: &bytes, range: 0..<5)
        #expect(bytes == Array("Hello".utf8))
    }

    @Test(arguments: 0...5)
    func `key continues in the middle of a payload`(cut: Int) {
        var bytes = masked
        key.apply(to: &bytes, range: 0..<cut)
        key.apply(to: &bytes, range: cut..<5, payloadOffset: cut)
        #expect(bytes == Array("Hello".utf8))
    }

    @Test func `key leaves alone what is outside of the range`() {
        var bytes = [1] + masked + [2]
        key.apply(to: &bytes, range: 1..<6)
        #expect(bytes == [1] + Array("Hello".utf8) + [2])
    }

    @Test func `copying appends what masking in place leaves`() {
        var output = Array("> ".utf8)
        output.append(addingCapacity: 5) { target in
            key.apply(to: masked.span, range: 0..<2, appendingTo: &target)
            key.apply(to: masked.span, range: 2..<5, payloadOffset: 2, appendingTo: &target)
            key.apply(to: masked.span, range: 5..<5, payloadOffset: 5, appendingTo: &target)
        }
        #expect(output == Array("> Hello".utf8))
    }

    @Test func `an output without room traps`() async {
        await #expect(processExitsWith: .failure) {
            var output: [UInt8] = []
            output.append(addingCapacity: 2) { target in
                MaskingKey(1, 2, 3, 4).apply(
                    to: [0, 0, 0].span,
                    range: 0..<3,
                    appendingTo: &target
                )
            }
        }
    }

    @Test func `keys are equal by their bytes`() {
        let bytes: [UInt8] = [0x37, 0xFA, 0x21, 0x3D]
        let wireOrder = unsafe bytes.withUnsafeBytes { unsafe $0.loadUnaligned(as: UInt32.self) }
        #expect(MaskingKey(wireOrder: wireOrder) == key)
        #expect(key.wireOrder == wireOrder)
    }

    @Test func `a range outside of the bytes traps`() async {
        await #expect(processExitsWith: .failure) {
            var bytes: [UInt8] = [0, 0]
            MaskingKey(1, 2, 3, 4).apply(to: &bytes, range: 1..<3)
        }
    }
}
