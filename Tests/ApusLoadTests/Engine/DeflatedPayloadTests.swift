// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusDeflate
import Testing

@testable import ApusLoad

@Suite struct `Messages that are compressed` {
    static let sizes = [20, 21, 23, 24, 27, 100, 256, 1024, 5000, 65_672, 65_673, 200_000]

    private let origin: MessageOrigin
    private let pattern: MessagePattern
    private let frames: OutputFrames
    private let size: Int

    private init(size: Int) {
        self.size = size
        pattern = MessagePattern(sizes: size...size, seed: 7, isCompressible: true)
        origin = pattern.origin(of: 3)
        frames = OutputFrames(
            opcode: .text,
            deflated: DeflatedPayload(messageByteCount: size)
        )
    }

    private init() { self.init(size: 1024) }

    @Test(arguments: sizes)
    func `are inflated to what is expected back`(size: Int) throws {
        let run = Self(size: size)
        for sequence in [0, 1, 77, 1 << 40] as [UInt64] {
            let message = run.pattern.message(sequence, from: run.origin)
            let payload = try #require(run.inflated(run.frame(message)))
            #expect(payload.count == size)
            unsafe payload.withUnsafeBytes { bytes in
                #expect(unsafe message.matches(bytes))
                for cut in [0, 1, 8, 15, 16, 17, 18, 19, 20, size / 2, size] where cut <= size {
                    let head = unsafe UnsafeRawBufferPointer(rebasing: bytes[..<cut])
                    let tail = unsafe UnsafeRawBufferPointer(rebasing: bytes[cut...])
                    #expect(unsafe message.matches(head), "cut at \(cut)")
                    #expect(unsafe message.matches(tail, at: cut), "cut at \(cut)")
                }
                #expect(unsafe run.origin.sequence(in: bytes, near: sequence) == sequence)
                let next = run.pattern.message(sequence + 1, from: run.origin)
                #expect(unsafe !next.matches(bytes))
            }
        }
    }

    @Test func `do not match with any one bit changed`() throws {
        let run = Self(size: 300)
        let message = run.pattern.message(5, from: run.origin)
        var payload = try #require(run.inflated(run.frame(message)))
        for index in payload.indices {
            payload[index] ^= 1 << UInt8(index % 8)
            unsafe payload.withUnsafeBytes { #expect(unsafe !message.matches($0), "byte \(index)") }
            payload[index] ^= 1 << UInt8(index % 8)
        }
    }

    /// The time in a delivery is what its latency counts from.
    @Test func `fit the time that they carry, and no other`() throws {
        let run = Self(size: 300)
        let sent = run.pattern.message(5, from: run.origin, stamp: 1000)
        let payload = try #require(run.inflated(run.frame(sent)))
        unsafe payload.withUnsafeBytes { bytes in
            #expect(unsafe sent.matches(bytes))
            for stamp in 1001..<1100 as Range<UInt64> {
                let other = run.pattern.message(5, from: run.origin, stamp: stamp)
                // The time itself set right does not help either.
                var forged = payload
                forged.replaceSubrange(0..<16, with: run.head(other))
                let isTaken = unsafe forged.withUnsafeBytes { unsafe other.matches($0) }
                #expect(!isTaken, "\(stamp)")
            }
        }
    }

    @Test(arguments: sizes, [64, 71, 128, 4096])
    func `are written in pieces as they are whole`(size: Int, capacity: Int) {
        let run = Self(size: size)
        let message = run.pattern.message(2, from: run.origin)
        let whole = run.frame(message)
        let starts = Set(0..<min(whole.count, 200)).union(max(0, whole.count - 20)..<whole.count)
        var memory = [UInt8](repeating: 0, count: capacity + OutputFrames.slackByteCount)
        for start in starts {
            unsafe memory.withUnsafeMutableBytes { memory in
                guard let target = memory.baseAddress else { return }
                let piece = unsafe run.frames.write(
                    message,
                    from: start,
                    to: target,
                    capacity: capacity
                )
                #expect(piece.count > 0 && piece.skip + piece.count <= capacity)
                let bytes = unsafe memory[piece.skip..<piece.skip + piece.count]
                #expect(unsafe bytes.elementsEqual(whole[start..<start + piece.count]))
            }
        }
    }

    @Test func `shrink as JSON does`() {
        #expect(DeflatedPayload(messageByteCount: 1024).byteCount < 400)
        #expect(DeflatedPayload(messageByteCount: 65_536).byteCount < 16_384)
        #expect(DeflatedPayload(messageByteCount: 65_536).byteCount > 8192)
    }

    // MARK: Helpers

    /// The first two words of a payload.
    private func head(_ message: Message) -> [UInt8] {
        [message.word(0), message.word(1)].flatMap { word in
            (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) }
        }
    }

    private func frame(_ message: Message) -> [UInt8] {
        let count = frames.byteCount(message)
        return unsafe [UInt8](unsafeUninitializedCapacity: count + OutputFrames.slackByteCount) {
            buffer,
            initializedCount in
            guard let start = buffer.baseAddress else { return }
            initializedCount = unsafe frames.write(message, to: UnsafeMutableRawPointer(start))
            #expect(initializedCount == count)
        }
    }

    /// What a server makes of a frame: by the codec, and by the inflater of replies.
    private func inflated(_ frame: [UInt8]) -> [UInt8]? {
        var options = MessageDecoder.Options(role: .server)
        options.messageBitsAllowed = 0x40
        var decoder = MessageDecoder(options)
        var events = DecodedEvents()
        var bytes = frame
        var position = 0
        var span = bytes.mutableSpan
        guard decoder.decode(&span, from: &position, into: &events) == nil,
            let part = events.messagePart(at: 0), part.isFirst, part.isLast, part.isCompressed
        else { return nil }
        let inflater = ReplyInflater(byteCountMax: size)
        return unsafe bytes[part.payload.range].withUnsafeBytes { bytes in
            unsafe inflater.inflate(bytes).map { unsafe [UInt8]($0) }
        }
    }
}

@Suite struct `Replies that are compressed` {
    private func deflated(_ message: [UInt8]) throws -> [UInt8] {
        let deflater = Deflater(.init(windowBits: 15, level: 1))
        var output = [UInt8](repeating: 0, count: Deflater.byteCountMax(for: message.count))
        let count = unsafe message.withUnsafeBytes { message in
            unsafe output.withUnsafeMutableBytes { unsafe deflater.compress(message, into: $0) }
        }
        return Array(output[..<(try #require(count) - Deflater.tail.count)])
    }

    @Test func `are none where they are corrupt or larger than what was sent`() throws {
        let inflater = ReplyInflater(byteCountMax: 1000)
        for count in [1, 999, 1000, 1001, 100_000] {
            let wire = try deflated([UInt8](repeating: 0x61, count: count))
            for bytes in [wire, wire.dropLast(2) + [0xFF, 0xFF]] {
                let result = unsafe bytes.withUnsafeBytes {
                    unsafe inflater.inflate($0)?.count
                }
                #expect(result == (bytes == wire && count <= 1000 ? count : nil))
            }
        }
    }
}
