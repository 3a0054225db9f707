// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusSupervisor
import Testing

private let second: UInt64 = 1_000_000_000
private let millisecond: UInt64 = 1_000_000

@Suite struct RestartPolicyTests {
    /// A worker's life in the one slot of a policy, and what is to be done at its end.
    struct Life: CustomTestStringConvertible {
        /// Since its start; nil: it never got ready.
        var readyAfter: UInt64?

        /// From then on.
        var lived: UInt64
        var end: WorkerEnd
        var action: RestartPolicy.Action

        init(
            _ readyAfter: UInt64?,
            _ lived: UInt64,
            _ end: WorkerEnd,
            _ action: RestartPolicy.Action
        ) {
            self.readyAfter = readyAfter
            self.lived = lived
            self.end = end
            self.action = action
        }

        var testDescription: String { "\(end), \(action)" }
    }

    static let abort = WorkerEnd.signaled(signal: 6)
    static let kill = WorkerEnd.signaled(signal: 9)

    static func after(_ milliseconds: UInt64) -> RestartPolicy.Action {
        .respawnAfter(nanoseconds: milliseconds * millisecond)
    }

    /// One after the other in one slot.
    static let biographies: [[Life]] = [
        // The first death is for free, then pauses double from 0.1 s.
        [
            Life(0, 50 * millisecond, abort, .respawnNow),
            Life(0, 50 * millisecond, .exited(code: 0), after(100)),
            Life(0, 50 * millisecond, .exited(code: 1), after(200)),
            Life(0, 59 * second, abort, after(400)),
            Life(0, 50 * millisecond, abort, after(800)),
        ],
        // A minute of health forgives everything; a nanosecond less does not.
        [
            Life(0, 0, abort, .respawnNow),
            Life(0, 0, abort, after(100)),
            Life(0, 60 * second, abort, .respawnNow),
            Life(0, 60 * second - 1, abort, .respawnNow),
            Life(0, 60 * second - 1, abort, after(100)),
        ],
        // The minute counts from readiness, not from the start.
        [
            Life(0, 0, abort, .respawnNow),
            Life(59 * second, 59 * second, abort, after(100)),
        ],
        // In a slot that never worked the first failure stops everything, with the worker's code …
        [Life(nil, 1, .exited(code: 71), .stop(exitCode: 71))],
        [Life(nil, 1, .exited(code: 64), .stop(exitCode: 64))],
        [Life(nil, 1, .exited(code: 3), .stop(exitCode: 3))],
        // … or with 69 where it has none to give.
        [Life(nil, 1, .exited(code: 0), .stop(exitCode: 69))],
        [Life(nil, 1, abort, .stop(exitCode: 69))],
        [Life(nil, 1, kill, .stop(exitCode: 69))],
        // In one that worked, a code that says "another try would fail alike" does so …
        [
            Life(0, 0, abort, .respawnNow),
            Life(nil, 0, .exited(code: 69), .stop(exitCode: 69)),
        ],
        [
            Life(0, 0, abort, .respawnNow),
            Life(nil, 0, .exited(code: 78), .stop(exitCode: 78)),
        ],
        // … but others do not, nor does such a code of a worker that served.
        [
            Life(0, 0, .exited(code: 71), .respawnNow),
            Life(nil, 0, .exited(code: 1), after(100)),
            Life(nil, 0, kill, after(200)),
        ],
        // A kill from outside does not count; starts come no closer than 50 ms.
        [
            Life(0, 1 * second, kill, .respawnNow),
            Life(0, 1 * second, kill, .respawnNow),
            Life(0, 1 * second, kill, .respawnNow),
            Life(0, 50 * millisecond, kill, .respawnNow),
            Life(10 * millisecond, 10 * millisecond, kill, after(30)),
            Life(0, 0, kill, after(50)),
            Life(0, 0, abort, .respawnNow),
            Life(0, 1 * second, kill, .respawnNow),
            Life(0, 0, abort, after(100)),
        ],
    ]

    @Test(arguments: biographies)
    func `slot is filled again as its history deserves`(lives: [Life]) {
        var policy = RestartPolicy(slotCount: 1)
        var now: UInt64 = 1000
        for life in lives {
            policy.started(slot: 0, at: now)
            if let readyAfter = life.readyAfter {
                now += readyAfter
                policy.becameReady(slot: 0, at: now)
            }
            now += life.lived
            #expect(policy.ended(slot: 0, how: life.end, at: now, jitter: 0) == life.action)
            if case .respawnAfter(let nanoseconds) = life.action { now += nanoseconds }
        }
    }

    @Test func `pause grows to ten seconds and no further`() {
        var policy = RestartPolicy(slotCount: 2)
        policy.becameReady(slot: 1, at: 0)
        let pauses = (0..<40).map { _ in
            policy.started(slot: 0, at: 0)
            policy.becameReady(slot: 0, at: 0)
            return policy.ended(slot: 0, how: Self.abort, at: 0, jitter: 0)
        }
        let growing: [UInt64] = [100, 200, 400, 800, 1600, 3200, 6400]
        #expect(pauses.prefix(8) == [.respawnNow] + growing.map(Self.after))
        #expect(pauses.dropFirst(8).allSatisfy { $0 == Self.after(10_000) })
    }

    @Test(arguments: [(0.0, 100), (0.5, 87.5), (1.0, 75.0), (-1.0, 100), (2.0, 75.0)])
    func `jitter shortens a pause by up to a quarter`(jitter: Double, milliseconds: Double) {
        var policy = RestartPolicy(slotCount: 1)
        policy.becameReady(slot: 0, at: 0)
        _ = policy.ended(slot: 0, how: Self.abort, at: 0, jitter: jitter)
        policy.becameReady(slot: 0, at: 0)
        #expect(
            policy.ended(slot: 0, how: Self.abort, at: 0, jitter: jitter)
                == .respawnAfter(nanoseconds: UInt64(milliseconds * 1_000_000))
        )
    }

    @Test func `boot failure of a successor waits while another slot serves`() {
        var policy = RestartPolicy(slotCount: 2)
        policy.becameReady(slot: 0, at: 0)
        policy.becameReady(slot: 1, at: 0)
        #expect(policy.ended(slot: 0, how: Self.abort, at: 0, jitter: 0) == .respawnNow)
        policy.started(slot: 0, at: 0)
        let refused = WorkerEnd.exited(code: 71)
        #expect(policy.ended(slot: 0, how: refused, at: 0, jitter: 0) == Self.after(100))
        #expect(policy.ended(slot: 1, how: Self.abort, at: 0, jitter: 0) == .respawnNow)
        #expect(policy.ended(slot: 0, how: refused, at: 0, jitter: 0) == .stop(exitCode: 71))
    }

    @Test func `start that fails in a slot that never worked stops everything with 71`() {
        var policy = RestartPolicy(slotCount: 2)
        policy.becameReady(slot: 1, at: 0)
        #expect(policy.startFailed(slot: 0, at: 0, jitter: 0) == .stop(exitCode: 71))
    }

    @Test func `start that fails later is tried again, also while nobody serves, ten times`() {
        var policy = RestartPolicy(slotCount: 1)
        policy.becameReady(slot: 0, at: 0)
        #expect(policy.ended(slot: 0, how: Self.kill, at: second, jitter: 0) == .respawnNow)
        let actions = (0..<10).map { _ in policy.startFailed(slot: 0, at: second, jitter: 0) }
        let growing: [UInt64] = [100, 200, 400, 800, 1600, 3200, 6400, 10_000]
        #expect(actions == [.respawnNow] + growing.map(Self.after) + [.stop(exitCode: 69)])
    }

    /// Ends the worker of each of three slots in turn, every so often, and returns the first stop.
    private func endAll(
        rounds: Int,
        every interval: UInt64,
        in policy: inout RestartPolicy,
        how: WorkerEnd = abort
    ) -> (round: Int, action: RestartPolicy.Action)? {
        for round in 1...rounds {
            for slot in 0..<3 {
                let now = UInt64(round) * interval
                policy.started(slot: slot, at: now)
                policy.becameReady(slot: slot, at: now)
                let action = policy.ended(slot: slot, how: how, at: now, jitter: 0)
                if case .stop = action { return (round, action) }
            }
        }
        return nil
    }

    @Test func `crash loop of every slot ends after ten rounds in five minutes`() {
        var policy = RestartPolicy(slotCount: 3)
        let stop = endAll(rounds: 20, every: 33 * second, in: &policy)
        #expect(stop?.round == 10)
        #expect(stop?.action == .stop(exitCode: 69))
    }

    @Test func `slower crash loop of every slot goes on`() {
        var policy = RestartPolicy(slotCount: 3)
        #expect(endAll(rounds: 100, every: 34 * second, in: &policy) == nil)
    }

    @Test func `crash loop goes on while one slot serves`() {
        var policy = RestartPolicy(slotCount: 4)
        policy.becameReady(slot: 3, at: 0)
        #expect(endAll(rounds: 100, every: second, in: &policy) == nil)
    }

    @Test func `kills from outside never end it all`() {
        var policy = RestartPolicy(slotCount: 3)
        #expect(endAll(rounds: 100, every: second, in: &policy, how: Self.kill) == nil)
    }
}
