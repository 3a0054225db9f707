// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// The subscribers in the publisher's own process: which of its messages all of them have.
///
/// It paces a publisher that has no rate: so many are under way as the plan has in flight.
struct Audience {
    /// In place of the time of the last message of all.
    static let lastStamp = SixBits.numberMask

    private let inflight: UInt64
    /// Subscribers that lack a message, by its number modulo the count.
    private var lacking: [Int]
    private var publishedCount: UInt64 = 0
    /// The first message that somebody lacks.
    private(set) var front: UInt64 = 0
    private(set) var subscriberCount: Int

    init(inflight: Int, subscriberCount: Int) {
        self.inflight = UInt64(inflight)
        self.subscriberCount = subscriberCount
        lacking = Array(repeating: 0, count: inflight + 1)
    }

    /// Behind the last message that may be under way.
    var due: UInt64 { subscriberCount > 0 ? front + inflight : publishedCount }

    /// A message has gone out, perhaps again since the kernel did not take it the first time.
    mutating func published(_ sequence: UInt64) {
        lacking[Int(sequence % UInt64(lacking.count))] = subscriberCount
        publishedCount = sequence + 1
    }

    /// A subscriber has these, or will never have them.
    mutating func reached(_ sequences: Range<UInt64>) {
        for sequence in sequences.clamped(to: front..<max(front, publishedCount)) {
            lacking[Int(sequence % UInt64(lacking.count))] -= 1
        }
        advance()
    }

    /// Waits no longer for those before `sequence`; they may arrive all the same.
    mutating func passOver(upTo sequence: UInt64) {
        front = max(front, min(sequence, publishedCount))
        advance()
    }

    private mutating func advance() {
        while front < publishedCount, lacking[Int(front % UInt64(lacking.count))] == 0 {
            front += 1
        }
    }

    /// A subscriber whose next message was `next` is gone.
    mutating func lost(next: UInt64) {
        subscriberCount -= 1
        reached(next..<max(next, publishedCount))
    }
}
