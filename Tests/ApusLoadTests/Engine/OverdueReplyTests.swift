// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import ApusLoad

@Suite struct `Replies that were given up` {
    private let times = SendTimes.Times(intended: 3, sent: 4)

    @Test func `are known once, with the time of their message`() {
        var overdue = OverdueReplies()
        overdue.add(7, of: 1, times)
        #expect(overdue.take(7, of: 2) == nil)
        #expect(overdue.take(8, of: 1) == nil)
        #expect(overdue.take(7, of: 1)?.sent == 4)
        #expect(overdue.take(7, of: 1) == nil)
    }

    @Test func `are kept up to a number`() {
        var overdue = OverdueReplies()
        for sequence in 0...UInt64(OverdueReplies.countMax) { overdue.add(sequence, of: 0, times) }
        #expect(overdue.take(UInt64(OverdueReplies.countMax), of: 0) == nil)
        #expect(overdue.take(0, of: 0) != nil)
    }
}
