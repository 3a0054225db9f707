// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import Testing

@testable import ApusLoad

/// The payload of a message, as it would be received.
func payload(
    _ sequence: UInt64,
    of connection: UInt64 = 3,
    _ pattern: MessagePattern
) -> [UInt8] {
    unmasked(frame(pattern.message(sequence, from: pattern.origin(of: connection))))
}

/// A whole binary frame.
func frame(_ message: Message) -> [UInt8] {
    let frames = OutputFrames(opcode: .binary)
    let count = frames.byteCount(message)
    return unsafe [UInt8](unsafeUninitializedCapacity: count + OutputFrames.slackByteCount) {
        buffer,
        initializedCount in
        guard let start = buffer.baseAddress else { return }
        initializedCount = unsafe frames.write(message, to: UnsafeMutableRawPointer(start))
        #expect(initializedCount == count)
    }
}

/// What a server finds in a frame, by the codec.
func unmasked(_ frame: [UInt8]) -> [UInt8] {
    var options = MessageDecoder.Options(role: .server)
    options.frameByteCountMax = 1 << 30
    options.messageByteCountMax = 1 << 30
    var decoder = MessageDecoder(options)
    var events = DecodedEvents()
    var bytes = frame
    var position = 0
    var span = bytes.mutableSpan
    let violation = decoder.decode(&span, from: &position, into: &events)
    #expect(violation == nil)
    #expect(events.count == 1)
    guard let part = events.messagePart(at: 0), part.isFirst, part.isLast else { return [] }
    return Array(bytes[part.payload.range])
}

@Suite struct `Messages of a run` {
    static let sizes =
        [0, 1, 7, 8, 9, 15, 16, 17, 20, 125, 126, 127, 128, 129, 135, 1000, 65_535]
        + [65_536, 65_673, 200_000]

    @Test(arguments: sizes)
    func `are valid text of their size and match themselves`(_ size: Int) {
        let pattern = MessagePattern(sizes: size...size, seed: 7)
        let message = pattern.message(11, from: pattern.origin(of: 3))
        let bytes = payload(11, pattern)
        #expect(bytes.count == size)
        #expect(bytes.allSatisfy { 0x30...0x6F ~= $0 })
        unsafe bytes.withUnsafeBytes { bytes in
            #expect(unsafe message.matches(bytes))
        }
    }

    @Test(arguments: sizes)
    func `match in every piece, wherever it is cut`(_ size: Int) {
        let pattern = MessagePattern(sizes: size...size, seed: 8)
        let message = pattern.message(5, from: pattern.origin(of: 3))
        let bytes = payload(5, pattern)
        let cuts = Set(0...min(size, 150)).union([size / 2, size]).union(max(0, size - 9)...size)
        unsafe bytes.withUnsafeBytes { bytes in
            for cut in cuts {
                let head = unsafe UnsafeRawBufferPointer(rebasing: bytes[..<cut])
                let tail = unsafe UnsafeRawBufferPointer(rebasing: bytes[cut...])
                #expect(unsafe message.matches(head))
                #expect(unsafe message.matches(tail, at: cut), "cut at \(cut)")
            }
        }
    }

    @Test(arguments: sizes.filter { $0 > 0 })
    func `do not match with any one bit changed`(_ size: Int) {
        let pattern = MessagePattern(sizes: size...size, seed: 9)
        let message = pattern.message(5, from: pattern.origin(of: 3))
        var bytes = payload(5, pattern)
        for index in stride(from: 0, to: size, by: max(1, size / 150)) {
            bytes[index] ^= 1 << UInt8(index % 8)
            unsafe bytes.withUnsafeBytes { bytes in
                #expect(unsafe !message.matches(bytes), "byte \(index)")
                let tail = unsafe UnsafeRawBufferPointer(rebasing: bytes[(index / 2)...])
                #expect(unsafe !message.matches(tail, at: index / 2), "byte \(index)")
            }
            bytes[index] ^= 1 << UInt8(index % 8)
        }
    }

    @Test func `differ by connection, by number and by seed, also far behind their start`() {
        func piece(_ sequence: UInt64, _ connection: UInt64, _ seed: UInt64) -> [UInt8] {
            let pattern = MessagePattern(sizes: 4096...4096, seed: seed)
            return Array(payload(sequence, of: connection, pattern)[3000..<3100])
        }
        let pieces = [piece(1, 1, 1), piece(2, 1, 1), piece(1, 2, 1), piece(1, 1, 2)]
        #expect(Set(pieces).count == 4)
    }

    @Test func `have no 64 KiB that are as the next ones`() {
        let pattern = MessagePattern(sizes: 262_144...262_144, seed: 1)
        let bytes = payload(1, pattern)
        #expect(bytes[65_536..<131_072] != bytes[131_072..<196_608])
    }

    @Test(arguments: [0...0, 20...20, 0...1000, 5...6])
    func `have sizes of their range`(_ sizes: ClosedRange<Int>) {
        let pattern = MessagePattern(sizes: sizes, seed: 1)
        let origin = pattern.origin(of: 1)
        let found = (0..<20_000).map { pattern.message($0, from: origin).byteCount }
        #expect(found.allSatisfy(sizes.contains))
        // All of up to a thousand sizes come up in twenty thousand draws.
        #expect(Set(found).count == sizes.count)
    }

    @Test(arguments: [1, 2, 3, 7, 8, 20])
    func `tell their number, near to the one expected`(_ size: Int) throws {
        let pattern = MessagePattern(sizes: size...size, seed: 1)
        let origin = pattern.origin(of: 3)
        for number: UInt64 in [40, 63, 64, 65, 5000, 1 << 40] {
            let bytes = payload(number, pattern)
            for expected in [number - 20, number, number + 20] {
                let found = unsafe bytes.withUnsafeBytes { bytes in
                    unsafe origin.sequence(in: bytes, near: expected)
                }
                #expect(found == number)
            }
        }
    }

    @Test func `carry a time where they are stamped`() {
        let pattern = MessagePattern(sizes: 20...20, seed: 1)
        let stamp: UInt64 = 0x1234_5678_9ABC
        let message = pattern.message(9, from: pattern.origin(of: 0), stamp: stamp)
        let bytes = unmasked(frame(message))
        let second = bytes[8..<16].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        #expect(SixBits.number(second) == stamp)
    }

    @Test(arguments: [20, 23, 24, 100, 300])
    func `are none of ours with another time than they were stamped with`(_ size: Int) {
        let pattern = MessagePattern(sizes: size...size, seed: 1)
        let origin = pattern.origin(of: 0)
        // Clocks have more digits than a stamp.
        let stamp: UInt64 = 0x7_1234_5678_9ABC
        let sent = unmasked(frame(pattern.message(9, from: origin, stamp: stamp)))
        for place in 8..<16 {
            for letter: UInt8 in 0x30...0x6F {
                var bytes = sent
                bytes[place] = letter
                let second = bytes[8..<16].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
                let expected = pattern.message(9, from: origin, stamp: SixBits.number(second))
                let isOurs = unsafe bytes.withUnsafeBytes { unsafe expected.matches($0) }
                #expect(isOurs == (bytes == sent), "letter \(letter) at \(place)")
            }
        }
    }
}

@Suite struct `Frames that are written in pieces` {
    /// Writes a frame from every offset in pieces of every capacity, as the kernel takes them.
    @Test(arguments: [0, 1, 20, 125, 126, 300, 66_000], [64, 71, 128, 4096])
    func `are those that are written whole`(_ size: Int, _ capacity: Int) {
        let pattern = MessagePattern(sizes: size...size, seed: 3)
        let message = pattern.message(2, from: pattern.origin(of: 1))
        let frames = OutputFrames(opcode: .binary)
        let whole = frame(message)
        let starts = Set(0..<min(whole.count, 200)).union(max(0, whole.count - 20)..<whole.count)
        var memory = [UInt8](repeating: 0, count: capacity + OutputFrames.slackByteCount)
        for start in starts {
            unsafe memory.withUnsafeMutableBytes { memory in
                guard let target = memory.baseAddress else { return }
                let piece = unsafe frames.write(
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

    @Test func `move the cursor over whole frames and into the next`() {
        let pattern = MessagePattern(sizes: 0...300, seed: 3)
        let origin = pattern.origin(of: 1)
        let frames = OutputFrames(opcode: .binary)
        let message = { (sequence: UInt64) in pattern.message(sequence, from: origin) }
        let counts = (0..<50).map { frames.byteCount(message($0)) }
        let total = counts.reduce(0, +)
        for step in [1, 2, 7, 100, 1000, total] {
            var cursor = OutputCursor()
            var taken = 0
            while taken < total {
                let count = min(step, total - taken)
                frames.advance(&cursor, by: count, message)
                taken += count
                let sequence = Int(cursor.sequence)
                #expect(counts[..<sequence].reduce(0, +) + cursor.offset == taken)
                #expect(sequence == 50 || cursor.offset < counts[sequence])
            }
            #expect(cursor == OutputCursor(sequence: 50))
        }
    }
}
