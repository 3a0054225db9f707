// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import CApusSystem

/// Random bytes that nobody can foretell, for masking keys and nonces, RFC 6455 §10.3.
///
/// Asks the kernel for a block at a time, so that a frame costs no system call. It belongs to a
/// worker and is made in it: processes that shared a block by a fork would mask with the same keys.
/// What was handed out is wiped, and is nowhere but with whoever got it.
@safe
final class RandomBytes {
    static let blockByteCount = 4096
    static let nonceByteCount = 16

    private let block: UnsafeMutableRawBufferPointer
    private let fill: (UnsafeMutableRawBufferPointer) -> Void
    private var usedCount = blockByteCount

    init(fill: @escaping (UnsafeMutableRawBufferPointer) -> Void) {
        unsafe self.fill = unsafe fill
        unsafe block = UnsafeMutableRawBufferPointer.allocate(
            byteCount: Self.blockByteCount,
            alignment: MemoryLayout<UInt32>.alignment
        )
    }

    /// Bytes of the kernel.
    convenience init() {
        unsafe self.init(fill: RandomBytes.fillFromKernel)
    }

    deinit {
        unsafe block.initializeMemory(as: UInt8.self, repeating: 0)
        unsafe block.deallocate()
    }

    /// A key for one frame, RFC 6455 §5.3.
    func nextMaskingKey() -> MaskingKey {
        let start = take(MemoryLayout<UInt32>.size)
        let key = unsafe block.loadUnaligned(fromByteOffset: start, as: UInt32.self)
        unsafe block.storeBytes(of: 0, toByteOffset: start, as: UInt32.self)
        return MaskingKey(wireOrder: key)
    }

    /// A nonce for one handshake, RFC 6455 §4.1 (7).
    func nextNonce() -> [UInt8] {
        let start = take(Self.nonceByteCount)
        let bytes = unsafe UnsafeMutableRawBufferPointer(
            rebasing: block[start..<start + Self.nonceByteCount]
        )
        let nonce = unsafe [UInt8](bytes)
        unsafe bytes.initializeMemory(as: UInt8.self, repeating: 0)
        return nonce
    }

    /// Where so many fresh bytes start.
    @inline(__always)
    private func take(_ count: Int) -> Int {
        if usedCount + count > Self.blockByteCount { refill() }
        defer { usedCount += count }
        return usedCount
    }

    @inline(never)
    private func refill() {
        unsafe fill(block)
        usedCount = 0
    }

    /// Nothing that a client may send without randomness: where the kernel refuses it, it traps, as
    /// Swift's own generator does.
    static func fillFromKernel(_ bytes: UnsafeMutableRawBufferPointer) {
        guard let start = bytes.baseAddress else { return }
        let result = unsafe apus_random_fill(start, bytes.count)
        precondition(result == 0, "getrandom failed with error \(-result)")
    }
}
