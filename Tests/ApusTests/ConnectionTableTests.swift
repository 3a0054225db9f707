// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusProtocol
import ApusRing
import ApusTestSupport
import Testing

@Suite struct ConnectionTables {
    @WorkerActor
    private func insert(into table: inout ConnectionTable) -> Connection {
        let context = ConnectionContext(
            owner: World().driver,
            isSecure: false,
            ConnectionConfiguration()
        )
        return table.insert { slot, generation in
            Connection(
                socket: 0,
                slot: slot,
                generation: generation,
                context: context,
                now: Instant(nanoseconds: 0)
            )
        }
    }

    @Test func `tag of an earlier tenant of a slot finds nobody`() {
        inWorker {
            var table = ConnectionTable()
            let first = insert(into: &table)
            let tag = first.tag(.receive)
            #expect(table.connection(for: tag) === first)
            table.remove(first)
            #expect(table.connection(for: tag) == nil)
            let second = insert(into: &table)
            #expect(second.slot == first.slot)
            #expect(table.connection(for: tag) == nil)
            #expect(table.connection(for: second.tag(.writable)) === second)
            #expect(table.connection(in: Int(second.slot)) === second)
        }
    }

    @Test func `tag of a slot that never was finds nobody`() {
        inWorker {
            let table = ConnectionTable()
            let tag = OperationTag(.receive, generation: 0, slot: .max)
            #expect(table.connection(for: tag) == nil)
        }
    }

    @Test func `all are found while slots are freed and used again`() {
        inWorker {
            var random = SplitMix(seed: 3)
            var table = ConnectionTable()
            var live: [Connection] = []
            var gone: [OperationTag] = []
            for _ in 0..<2000 {
                if live.isEmpty || random.chance(52) {
                    live.append(insert(into: &table))
                } else {
                    let connection = live.remove(at: random.upTo(live.count) - 1)
                    table.remove(connection)
                    gone.append(connection.tag(.receive))
                }
            }
            #expect(table.count == live.count)
            #expect(Set(live.map(\.slot)).count == live.count)
            #expect(live.allSatisfy { table.connection(for: $0.tag(.send)) === $0 })
            #expect(gone.allSatisfy { table.connection(for: $0) == nil })
            #expect(
                Set(table.all.map(ObjectIdentifier.init)) == Set(live.map(ObjectIdentifier.init))
            )
        }
    }
}
