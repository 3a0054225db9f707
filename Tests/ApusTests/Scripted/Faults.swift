// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusTestSupport
import Testing

extension SplitMix {
    /// True in `percent` of a hundred cases.
    mutating func chance(_ percent: Int) -> Bool {
        percent > 0 && Int(next() % 100) < percent
    }

    /// A number from 1 to `most`.
    mutating func upTo(_ most: Int) -> Int {
        1 + Int(next() % UInt64(max(1, most)))
    }
}

/// What a scripted ring does wrong, each in so many of a hundred cases.
struct Faults: Sendable {
    /// Sends that take only 1 to ``shortSendByteCountMax`` bytes.
    var shortSends = 0
    var shortSendByteCountMax = 16
    /// Sends that are refused with EAGAIN, EINTR or ENOBUFS.
    var refusedSends = 0
    /// Receives that bring only 1 to ``splitByteCountMax`` bytes.
    var splitReceives = 0
    var splitByteCountMax = 8
    /// Completions of a receive that are its last, without a reason.
    var droppedHasMore = 0
    /// Receives that end with ENOBUFS, EAGAIN or EINTR.
    var refusedReceives = 0
    /// Batches whose sockets come in any order.
    var reorderings = 0
    /// Accepts that fail: ECONNABORTED, EINTR and the like.
    var failedAccepts = 0
    /// Accepts that begin a spell of EMFILE.
    var descriptorShortages = 0
    /// Connects that fail: ETIMEDOUT, ENETUNREACH and the like.
    var failedConnects = 0
    /// Cancels whose answer is 0, ENOENT or EALREADY while their target ends by itself.
    var untrueCancels = 0
    /// Closes that are followed by a completion of the generation that is gone.
    var lateCompletions = 0
    /// Sockets of which nothing is heard for a while, asked at each of their completions.
    var stalls = 0
    /// Waits that a signal ends.
    var interruptedWaits = 0
    /// Peers that reset the connection at some time.
    var resets = 0
    /// Peers that stop reading for a while.
    var deafPeers = 0

    static let none = Faults()

    static let all = Faults(
        shortSends: 30,
        refusedSends: 10,
        splitReceives: 40,
        droppedHasMore: 20,
        refusedReceives: 10,
        reorderings: 50,
        failedAccepts: 20,
        descriptorShortages: 5,
        failedConnects: 20,
        untrueCancels: 50,
        lateCompletions: 50,
        stalls: 10,
        interruptedWaits: 10,
        resets: 20,
        deafPeers: 40
    )
}

/// A plan of faults with the name that a test shows.
struct NamedFaults: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let faults: Faults

    init(_ name: String, _ faults: Faults) {
        testDescription = name
        self.faults = faults
    }

    static let each = [
        NamedFaults("none", .none),
        NamedFaults("short sends", Faults(shortSends: 60)),
        NamedFaults("one byte at a time", Faults(shortSends: 100, shortSendByteCountMax: 1)),
        NamedFaults("refused sends", Faults(refusedSends: 40)),
        NamedFaults("split receives", Faults(splitReceives: 80)),
        NamedFaults("received byte by byte", Faults(splitReceives: 100, splitByteCountMax: 1)),
        NamedFaults("dropped hasMore", Faults(droppedHasMore: 60)),
        NamedFaults("refused receives", Faults(refusedReceives: 50)),
        NamedFaults("reordered sockets", Faults(splitReceives: 50, reorderings: 100)),
        NamedFaults("failed accepts", Faults(failedAccepts: 60)),
        NamedFaults("no descriptors", Faults(descriptorShortages: 40)),
        NamedFaults("untrue cancels", Faults(untrueCancels: 100, deafPeers: 100)),
        NamedFaults("late completions", Faults(lateCompletions: 100)),
        NamedFaults("stalls", Faults(stalls: 30)),
        NamedFaults("interrupted waits", Faults(interruptedWaits: 50)),
        NamedFaults("resets", Faults(resets: 60)),
        NamedFaults("peers that do not read", Faults(deafPeers: 100)),
    ]
}
