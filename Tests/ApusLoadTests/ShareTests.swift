// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import ApusLoad

@Suite struct `Shares of several processes` {
    @Test(arguments: [(10, 3), (7, 7), (100, 1), (19_999, 52)])
    func `have all connections, each numbered once, and the whole rate`(
        connections: Int,
        processes: Int
    ) {
        var plan = LoadPlan(url: "ws://127.0.0.1/")
        plan.connections = connections
        plan.rate = 1000
        plan.connectRate = 50

        let shares = plan.shares(processes: processes)

        #expect(shares.count == processes)
        let numbers = shares.flatMap {
            Array($0.firstConnection..<($0.firstConnection + $0.connections))
        }
        #expect(numbers == Array(0..<connections))
        #expect(Set(shares.map(\.connections)).count <= 2)
        #expect(abs(shares.compactMap(\.rate).reduce(0, +) - 1000) < 1e-6)
        #expect(abs(shares.compactMap(\.connectRate).reduce(0, +) - 50) < 1e-6)
        #expect(Set(shares.map(\.seed)).count == processes)
    }

    @Test func `send at a constant rate as one process would`() {
        var plan = LoadPlan(url: "ws://127.0.0.1/")
        plan.connections = 12
        plan.rate = 1000
        let times = plan.shares(processes: 4).flatMap { share in
            var pacer = Pacer(start: 0, rate: share.rate ?? 0, offset: share.rateOffset)
            return (0..<50).compactMap { _ in pacer.takeDue(at: .max) }
        }
        #expect(times.sorted() == (0..<200).map { $0 * 1_000_000 })
    }

    @Test func `take source addresses in the turn that one process would`() {
        var plan = LoadPlan(url: "ws://127.0.0.1/")
        plan.connections = 8
        plan.sourceAddresses = ["a", "b", "c"]
        func addresses(_ plan: LoadPlan) -> [String] {
            (0..<plan.connections).map { plan.sourceAddresses[$0 % plan.sourceAddresses.count] }
        }
        #expect(plan.shares(processes: 3).flatMap(addresses) == addresses(plan))
    }

    @Test func `of a fan-out leave the rate to the one that sends, and know its messages`() {
        var plan = LoadPlan(url: "ws://127.0.0.1/")
        plan.mode = .fanout
        plan.rate = 100
        #expect(plan.shares(processes: 2).map(\.rate) == [100, 100])
        #expect(Set(plan.shares(processes: 2).map(\.seed)).count == 1)
    }
}
