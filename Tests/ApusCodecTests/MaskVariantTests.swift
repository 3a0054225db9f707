// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusTestSupport
import CApusCodec
import Glibc
import Testing

extension InstructionSetTests {
    @Suite("Masking") struct Masking {
        static let sizes = Array(0...300) + [511, 512, 513, 1000, 1400]

        @Test(arguments: Variant.available, 0..<4)
        func `a variant masks in place and while copying as a byte loop does`(
            variant: Variant,
            phase: Int
        ) {
            variant.use {
                let bench = MaskBench(phase: phase)
                for size in Self.sizes {
                    for offset in 0..<16 {
                        // Against the guard in front, then against the one behind.
                        bench.check(size: size, at: offset)
                        bench.check(size: size, at: bench.byteCount - size - offset)
                    }
                }
            }
        }
    }
}

/// A page of random bytes in which a piece is masked, and what must come of it.
@safe
private struct MaskBench: ~Copyable {
    private let key: [UInt8] = [0x01, 0x82, 0x33, 0xF4]
    private let phase: Int
    private let plain: [UInt8]
    /// The whole page masked, for each of the phases that a piece can have relative to it.
    private let masked: [[UInt8]]
    private let source = GuardedBuffer()
    private let target = GuardedBuffer()

    var byteCount: Int { target.count }

    init(phase: Int) {
        self.phase = phase
        var random = SplitMix(seed: 1)
        let plain = random.bytes(target.count)
        self.plain = plain
        masked = (0..<4).map { [key] shift in
            plain.indices.map { plain[$0] ^ key[($0 + shift) % 4] }
        }
        _ = unsafe source.bytes.update(from: plain)
    }

    func check(size: Int, at start: Int) {
        let key = unsafe key.withUnsafeBytes { unsafe $0.loadUnaligned(as: UInt32.self) }
        guard let source = unsafe source.bytes.baseAddress,
            let target = unsafe target.bytes.baseAddress
        else { return }

        unsafe memcpy(target, plain, byteCount)
        unsafe apus_mask(target + start, size, key, phase)
        if !isRight(size: size, at: start) {
            Issue.record("\(size) bytes in place, \(start) bytes into the page")
        }

        unsafe memcpy(target, plain, byteCount)
        unsafe memset(target + start, 0, size)
        unsafe apus_mask_copy(target + start, source + start, size, key, phase)
        if !isRight(size: size, at: start) {
            Issue.record("\(size) bytes copied, \(start) bytes into the page")
        }
    }

    /// Whether the piece is masked and everything around it as before.
    private func isRight(size: Int, at start: Int) -> Bool {
        guard let target = unsafe target.bytes.baseAddress else { return false }
        let end = start + size
        let shift = (phase + 4 - start % 4) % 4
        return unsafe plain.withUnsafeBufferPointer { plain in
            unsafe masked[shift].withUnsafeBufferPointer { masked in
                guard let plain = plain.baseAddress, let masked = masked.baseAddress else {
                    return false
                }
                return unsafe memcmp(target, plain, start) == 0
                    && memcmp(target + start, masked + start, size) == 0
                    && memcmp(target + end, plain + end, byteCount - end) == 0
            }
        }
    }
}
