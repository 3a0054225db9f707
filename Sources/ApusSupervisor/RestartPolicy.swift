// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// What to do when a worker ends although nobody asked it to.
///
/// A worker that never got ready in a slot that never worked is a failure to boot: everything stops,
/// with the worker's code. Afterwards a slot is always filled again, at once or after a pause that
/// doubles with each fruitless life (one of under a minute since ready), so that a crash loop burns
/// neither the machine nor the other slots. Two things end it all: a successor whose code says that
/// another try would fail alike while nobody else serves, and a crash loop of every slot. Whoever
/// watches the supervisor may then know better.
///
/// A ready worker that SIGKILL ends was killed from outside, which says nothing about the program:
/// that is not counted, and only the rate of starts is bounded.
package struct RestartPolicy {
    package enum Action: Equatable, Sendable {
        case respawnNow
        case respawnAfter(nanoseconds: UInt64)

        /// Stop all slots, and exit with this code.
        case stop(exitCode: Int32)
    }

    package static let healthyAfterNanoseconds: UInt64 = 60_000_000_000
    package static let pauseNanosecondsMin: UInt64 = 100_000_000
    package static let pauseNanosecondsMax: UInt64 = 10_000_000_000

    /// The least time between two starts in a slot whose workers are killed from outside.
    package static let startIntervalNanosecondsMin: UInt64 = 50_000_000

    /// So many fruitless lives of every slot within this time, and nobody ready, end it all.
    package static let fruitlessCountMax = 10
    package static let fruitlessWindowNanoseconds: UInt64 = 300_000_000_000

    private struct Slot {
        var startedAt: UInt64 = 0
        var readyAt: UInt64?
        var wasEverReady = false

        /// How many fruitless lives there were in a row, and when the last of them ended.
        var fruitlessCount = 0
        var fruitlessEnds: [UInt64] = []
    }

    private var slots: [Slot]

    package init(slotCount: Int) {
        slots = Array(repeating: Slot(), count: slotCount)
    }

    /// A worker was started in the slot.
    package mutating func started(slot: Int, at now: UInt64) {
        slots[slot].startedAt = now
        slots[slot].readyAt = nil
    }

    /// The slot's worker accepts connections.
    package mutating func becameReady(slot: Int, at now: UInt64) {
        slots[slot].readyAt = now
        slots[slot].wasEverReady = true
    }

    /// The slot's worker ended.
    ///
    /// - Parameter jitter: 0 to 1, drawn anew for each call; shortens a pause by up to a quarter so
    ///   that slots which fail together do not keep step.
    package mutating func ended(
        slot: Int,
        how end: WorkerEnd,
        at now: UInt64,
        jitter: Double
    ) -> Action {
        let readyAt = slots[slot].readyAt
        slots[slot].readyAt = nil
        guard slots[slot].wasEverReady else {
            return .stop(exitCode: Self.bootFailureCode(end))
        }
        if let readyAt {
            if now - min(readyAt, now) >= Self.healthyAfterNanoseconds {
                slots[slot].fruitlessCount = 0
                slots[slot].fruitlessEnds = []
                return .respawnNow
            }
            if end == .signaled(signal: 9) {
                return Self.respawn(after: pauseToBoundStarts(slot: slot, at: now))
            }
        } else if case .exited(let code) = end, ExitCode.isFatal(code), !isAnyReady {
            return .stop(exitCode: code)
        }
        return retry(slot: slot, at: now, jitter: jitter)
    }

    /// No worker could be started in the slot: fork was refused, or descriptors ran out.
    ///
    /// That is a failure to boot as well; but where the slot has worked, it may pass, so it is a
    /// fruitless life and no more, even while nobody serves.
    package mutating func startFailed(slot: Int, at now: UInt64, jitter: Double) -> Action {
        guard slots[slot].wasEverReady else { return .stop(exitCode: ExitCode.system) }
        return retry(slot: slot, at: now, jitter: jitter)
    }

    private mutating func retry(slot: Int, at now: UInt64, jitter: Double) -> Action {
        countFruitless(slot: slot, at: now)
        guard isAnyReady || !areAllFruitless(at: now) else {
            return .stop(exitCode: ExitCode.unavailable)
        }
        return Self.respawn(after: Self.pause(slots[slot].fruitlessCount, jitter: jitter))
    }

    /// The pause after so many fruitless lives in a row: none, 0.1 s, 0.2 s, 0.4 s … 10 s.
    static func pause(_ count: Int, jitter: Double) -> UInt64 {
        guard count > 1 else { return 0 }
        // Shifted by at most 7, beyond which the maximum holds anyway.
        let doubled = pauseNanosecondsMin << UInt64(min(count - 2, 7))
        let pause = Double(min(doubled, pauseNanosecondsMax))
        return UInt64(pause * (1 - min(max(jitter, 0), 1) / 4))
    }

    private static func respawn(after nanoseconds: UInt64) -> Action {
        nanoseconds == 0 ? .respawnNow : .respawnAfter(nanoseconds: nanoseconds)
    }

    private static func bootFailureCode(_ end: WorkerEnd) -> Int32 {
        if case .exited(let code) = end, code != 0 { code } else { ExitCode.unavailable }
    }

    private var isAnyReady: Bool { slots.contains { $0.readyAt != nil } }

    private func pauseToBoundStarts(slot: Int, at now: UInt64) -> UInt64 {
        let age = now - min(slots[slot].startedAt, now)
        return Self.startIntervalNanosecondsMin - min(age, Self.startIntervalNanosecondsMin)
    }

    private mutating func countFruitless(slot: Int, at now: UInt64) {
        slots[slot].fruitlessCount += 1
        slots[slot].fruitlessEnds.append(now)
        if slots[slot].fruitlessEnds.count > Self.fruitlessCountMax {
            slots[slot].fruitlessEnds.removeFirst()
        }
    }

    private func areAllFruitless(at now: UInt64) -> Bool {
        slots.allSatisfy { slot in
            guard slot.fruitlessEnds.count == Self.fruitlessCountMax,
                let first = slot.fruitlessEnds.first
            else { return false }
            return now - min(first, now) <= Self.fruitlessWindowNanoseconds
        }
    }
}
