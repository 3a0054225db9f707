// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import ApusLoad

/// What a scripted server does with a hundred messages, and what has to be counted.
private struct Script {
    var lost = 0
    var duplicated = 0
    var reordered = 0
    var corrupted = 0
    var unexpected = 0
    var good = 0
}

@Suite struct `Replies to messages` {
    private static let sizes = [1...1, 2...2, 8...8, 20...20, 2...300, 1000...1000]

    /// Counts what comes of replies to so many messages.
    private func count(
        _ replies: [[UInt8]],
        of sentCount: UInt64,
        _ pattern: MessagePattern
    ) -> Script {
        var stream = ReplyStream(origin: pattern.origin(of: 3))
        var found = Script()
        for reply in replies {
            let verdict = unsafe reply.withUnsafeBytes { bytes in
                unsafe stream.take(
                    bytes,
                    isOurKind: true,
                    begunCount: sentCount,
                    pattern: pattern
                )
            }
            switch verdict {
            case .next, .ahead: found.good += 1
            case .reordered:
                found.good += 1
                found.reordered += 1
            case .duplicated: found.duplicated += 1
            case .corrupted: found.corrupted += 1
            case .unexpected: found.unexpected += 1
            }
        }
        found.lost = Int(stream.missingCount(of: sentCount))
        return found
    }

    private func replies(_ pattern: MessagePattern) -> [[UInt8]] {
        (0..<100).map { payload($0, pattern) }
    }

    private func expect(
        _ found: Script,
        good: Int,
        lost: Int = 0,
        duplicated: Int = 0,
        reordered: Int = 0,
        corrupted: Int = 0,
        unexpected: Int = 0
    ) {
        #expect(found.good == good)
        #expect(found.lost == lost)
        #expect(found.duplicated == duplicated)
        #expect(found.reordered == reordered)
        #expect(found.corrupted == corrupted)
        #expect(found.unexpected == unexpected)
    }

    @Test(arguments: [0...0] + sizes)
    func `of an honest server are all good`(_ sizes: ClosedRange<Int>) {
        let pattern = MessagePattern(sizes: sizes, seed: 1)
        expect(count(replies(pattern), of: 100, pattern), good: 100)
    }

    @Test(arguments: sizes)
    func `that are left out are lost`(_ sizes: ClosedRange<Int>) {
        let pattern = MessagePattern(sizes: sizes, seed: 1)
        let kept = replies(pattern).enumerated().filter { $0.offset % 10 != 4 }.map(\.element)
        expect(count(kept, of: 100, pattern), good: 90, lost: 10)
    }

    @Test(arguments: [0...0] + sizes)
    func `that do not come at the end are lost`(_ sizes: ClosedRange<Int>) {
        let pattern = MessagePattern(sizes: sizes, seed: 1)
        expect(count(Array(replies(pattern).prefix(97)), of: 100, pattern), good: 97, lost: 3)
    }

    @Test(arguments: sizes)
    func `that come twice are duplicates`(_ sizes: ClosedRange<Int>) {
        let pattern = MessagePattern(sizes: sizes, seed: 1)
        let doubled = replies(pattern).enumerated().flatMap { index, reply in
            Array(repeating: reply, count: index % 10 == 4 ? 3 : 1)
        }
        expect(count(doubled, of: 100, pattern), good: 100, duplicated: 20)
    }

    @Test(arguments: sizes)
    func `that change places are reordered, one of each two`(_ sizes: ClosedRange<Int>) {
        let pattern = MessagePattern(sizes: sizes, seed: 1)
        var swapped = replies(pattern)
        for index in stride(from: 0, to: 100, by: 10) { swapped.swapAt(index, index + 1) }
        expect(count(swapped, of: 100, pattern), good: 100, reordered: 10)
    }

    @Test func `that come long after others are reordered, and no loss`() {
        let pattern = MessagePattern(sizes: 20...20, seed: 1)
        var late = replies(pattern)
        late.append(late.remove(at: 3))
        late.append(late.remove(at: 50))
        expect(count(late, of: 100, pattern), good: 100, reordered: 2)
    }

    @Test(arguments: [20...20, 2...300, 1000...1000], [0, 1, -1])
    func `with a changed byte are corrupted, and neither lost nor good`(
        _ sizes: ClosedRange<Int>,
        _ place: Int
    ) {
        let pattern = MessagePattern(sizes: sizes, seed: 1)
        var changed = replies(pattern)
        for index in stride(from: 0, to: 100, by: 10) {
            let byte = place < 0 ? changed[index].count - 1 : place
            changed[index][byte] ^= 0x80
        }
        expect(count(changed, of: 100, pattern), good: 90, corrupted: 10)
    }

    @Test func `that are cut short or go on are corrupted`() {
        let pattern = MessagePattern(sizes: 20...20, seed: 1)
        var changed = replies(pattern)
        changed[5].removeLast()
        changed[6].append(0x30)
        changed[7] = []
        expect(count(changed, of: 100, pattern), good: 97, corrupted: 3)
    }

    @Test func `of another connection are corrupted`() {
        let pattern = MessagePattern(sizes: 20...20, seed: 1)
        var changed = replies(pattern)
        changed[5] = payload(5, of: 4, pattern)
        expect(count(changed, of: 100, pattern), good: 99, corrupted: 1)
    }

    @Test func `of another kind are corrupted`() {
        let pattern = MessagePattern(sizes: 20...20, seed: 1)
        var stream = ReplyStream(origin: pattern.origin(of: 3))
        let verdict = unsafe payload(0, pattern).withUnsafeBytes { bytes in
            unsafe stream.take(bytes, isOurKind: false, begunCount: 1, pattern: pattern)
        }
        #expect(verdict == .corrupted)
    }

    @Test func `to nothing are unexpected`() {
        let pattern = MessagePattern(sizes: 20...20, seed: 1)
        let early = replies(pattern)
        expect(count(early, of: 90, pattern), good: 90, unexpected: 10)
        expect(count([[1, 2, 3]], of: 0, pattern), good: 0, unexpected: 1)
    }

    @Test func `of a publisher are not any bytes with some number or other`() throws {
        let pattern = MessagePattern(sizes: 16...16, seed: 1)
        var stream = ReplyStream(origin: pattern.origin(of: 0))
        stream.window = SequenceWindow(next: 5)
        for letter in UInt8(ascii: "0")...UInt8(ascii: "o") {
            let garbage = [UInt8](repeating: letter, count: 16)
            let sequence = unsafe garbage.withUnsafeBytes { bytes in
                unsafe stream.origin.sequence(in: bytes, near: 5)
            }
            #expect(!stream.isCredible(try #require(sequence), publishedCount: nil))
            #expect(!stream.isCredible(try #require(sequence), publishedCount: 8))
        }
        #expect(stream.isCredible(4, publishedCount: 8))
        #expect(stream.isCredible(7, publishedCount: 8))
        #expect(!stream.isCredible(8, publishedCount: 8))
        #expect(stream.isCredible(5 + 1 << 20, publishedCount: nil))
    }

    @Test func `of no bytes that nothing was sent for are duplicates`() {
        let pattern = MessagePattern(sizes: 0...0, seed: 1)
        expect(count(replies(pattern), of: 98, pattern), good: 98, duplicated: 2)
    }
}

@Suite struct `The window of sequence numbers` {
    @Test func `forgets the oldest gaps for good, and counts them`() {
        var window = SequenceWindow()
        let gapCount = UInt64(SequenceWindow.gapCountMax)
        for index in 0...gapCount { #expect(window.received(2 * index + 1) == .ahead) }
        #expect(window.missingCount == gapCount + 1)
        #expect(window.received(0) == .duplicated)
        #expect(window.received(2) == .reordered)
        #expect(window.missingCount == gapCount)
    }

    @Test func `takes what it had waited for long enough as reordered`() {
        var window = SequenceWindow()
        window.passOver(upTo: 2)
        #expect(window.next == 2)
        #expect(window.missingCount == 2)
        #expect(window.received(1) == .reordered)
        #expect(window.received(1) == .duplicated)
        #expect(window.missingCount == 1)
    }

    @Test func `takes a gap apart from its middle`() {
        var window = SequenceWindow()
        #expect(window.received(5) == .ahead)
        #expect(window.received(2) == .reordered)
        #expect(window.received(2) == .duplicated)
        #expect(window.missingCount == 4)
        for late: UInt64 in [4, 0, 3, 1] { #expect(window.received(late) == .reordered) }
        #expect(!window.hasGaps)
        #expect(window.received(6) == .inOrder)
    }
}
