// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusProtocol
import ApusSupervisor
import ApusTLS
import Logging
import Testing

@Suite struct TicketKeyTests {
    private func bytes(_ keys: TicketKeys) -> [[UInt8]] {
        var bytes: [[UInt8]] = []
        unsafe keys.withCurrent { bytes = unsafe [Array($0), Array($1)] }
        return bytes
    }

    @Test func `current key comes first, and the one before opens tickets still`() throws {
        let keys = try TicketKeys()
        var seen = [bytes(keys)]
        for _ in 0..<7 {
            keys.rotate()
            seen.append(bytes(keys))
        }
        for (before, after) in zip(seen, seen.dropFirst()) {
            #expect(before.count == 2 && after.count == 2)
            #expect(after[1] == before[0])
        }
        let all = Set(seen.map { $0[0] } + [seen[0][1]])
        #expect(all.count == 9)
        #expect(all.allSatisfy { key in key.count == 80 && key.contains { $0 != 0 } })
    }

    @Test func `worker takes them once, and again after a rotation`() throws {
        let keys = try TicketKeys()
        var seen = [TicketKeysSeen(keys), TicketKeysSeen(keys)]
        for _ in 0..<3 {
            for worker in seen.indices {
                let taken = seen[worker].changed()
                #expect(taken === keys)
                let again = seen[worker].changed()
                #expect(again == nil)
            }
            keys.rotate()
        }
    }

    @Test func `nothing is left of them once they are wiped`() throws {
        let keys = try TicketKeys()
        keys.wipe()
        #expect(bytes(keys) == Array(repeating: Array(repeating: 0, count: 80), count: 2))
    }

    @Test func `server changes them as often as its most impatient listener wants`() throws {
        var duties: [UInt64?] = []
        for seconds: [UInt64] in [[], [60], [60, 20, 40]] {
            let listeners = try seconds.map { try TLSListener.made(ticketRotation: .seconds($0)) }
            let made = SupervisorDuties(
                tls: listeners,
                keys: try TicketKeys(),
                logger: Logger(label: "test")
            )
            duties.append(made.periodic?.nanoseconds)
        }
        #expect(duties == [nil, 60_000_000_000, 20_000_000_000])
    }

    @Test(arguments: [Interval.seconds(0), .milliseconds(99), .seconds(7 * 24 * 3600 + 1)])
    func `time that no key is good for is refused`(rotation: Interval) {
        #expect(throws: TLSSetupError.self) {
            try TLSListener.made(ticketRotation: rotation)
        }
    }
}
