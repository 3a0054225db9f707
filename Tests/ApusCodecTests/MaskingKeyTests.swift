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

    @Test func `copying masks like masking in place`() {
        var bytes = masked
        unsafe masked.withUnsafeBufferPointer { source in
            unsafe bytes.withUnsafeMutableBufferPointer { target in
                if let from = source.baseAddress, let to = target.baseAddress {
                    unsafe key.apply(to: to + 2, from: from + 2, count: 3, payloadOffset: 2)
                }
            }
        }
        #expect(bytes == masked[..<2] + Array("llo".utf8))
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
