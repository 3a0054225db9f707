// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusSupervisor
import Testing

private let second: UInt64 = 1_000_000_000

@Suite struct ShutdownPlanTests {
    /// What happens to a plan that starts at 100 s with a drain timeout of 10 s, and what it wants.
    enum Step {
        case signal
        case end(WorkerEnd)
        case ask(at: UInt64, alive: Int, ShutdownPlan.Action)
    }

    struct Story: CustomTestStringConvertible {
        var testDescription: String
        var exitCode: Int32 = 0
        var steps: [Step]
    }

    static let start = 100 * second
    static let deadline = 110 * second + ShutdownPlan.marginNanoseconds

    static let stories = [
        Story(
            testDescription: "all drain in time",
            steps: [
                .signal,
                .ask(at: start, alive: 2, .terminate),
                .ask(at: start, alive: 2, .wait(until: deadline)),
                .end(.exited(code: 0)),
                .ask(at: start + second, alive: 1, .wait(until: deadline)),
                .end(.exited(code: 0)),
                .ask(at: start + 2 * second, alive: 0, .done(exitCode: 0)),
            ]
        ),
        Story(
            testDescription: "nobody runs",
            steps: [.signal, .ask(at: start, alive: 0, .done(exitCode: 0))]
        ),
        Story(
            testDescription: "a worker cut connections",
            steps: [
                .signal,
                .ask(at: start, alive: 2, .terminate),
                .end(.exited(code: 1)),
                .end(.exited(code: 0)),
                .ask(at: start + 10 * second, alive: 0, .done(exitCode: 1)),
            ]
        ),
        Story(
            testDescription: "a worker crashes while it drains",
            steps: [
                .signal,
                .ask(at: start, alive: 1, .terminate),
                .end(.signaled(signal: 11)),
                .ask(at: start, alive: 0, .done(exitCode: 1)),
            ]
        ),
        Story(
            testDescription: "the deadline passes",
            steps: [
                .signal,
                .ask(at: start, alive: 2, .terminate),
                .ask(at: deadline - 1, alive: 2, .wait(until: deadline)),
                .ask(at: deadline, alive: 2, .kill),
                .ask(at: deadline, alive: 2, .wait(until: nil)),
                .end(.signaled(signal: 9)),
                .ask(at: deadline + second, alive: 1, .wait(until: nil)),
                .end(.signaled(signal: 9)),
                .ask(at: deadline + second, alive: 0, .done(exitCode: 1)),
            ]
        ),
        Story(
            testDescription: "a second signal comes",
            steps: [
                .signal,
                .ask(at: start, alive: 1, .terminate),
                .ask(at: start, alive: 1, .wait(until: deadline)),
                .signal,
                .ask(at: start + 1, alive: 1, .kill),
                .signal,
                .ask(at: start + 2, alive: 1, .wait(until: nil)),
                .end(.signaled(signal: 9)),
                .ask(at: start + 3, alive: 0, .done(exitCode: 1)),
            ]
        ),
        Story(
            testDescription: "both signals come at once",
            steps: [
                .signal,
                .signal,
                .ask(at: start, alive: 1, .terminate),
                .ask(at: start, alive: 1, .kill),
            ]
        ),
        Story(
            testDescription: "a failure started it",
            exitCode: 71,
            steps: [
                .ask(at: start, alive: 1, .terminate),
                .signal,
                .ask(at: start, alive: 1, .wait(until: deadline)),
                .end(.exited(code: 1)),
                .ask(at: start, alive: 0, .done(exitCode: 71)),
            ]
        ),
        Story(
            testDescription: "a failure started it, and the deadline passes",
            exitCode: 69,
            steps: [
                .ask(at: start, alive: 1, .terminate),
                .ask(at: deadline, alive: 1, .kill),
                .ask(at: deadline, alive: 0, .done(exitCode: 69)),
            ]
        ),
    ]

    @Test(arguments: stories)
    func `plan escalates as far as it must`(story: Story) {
        var plan = ShutdownPlan(
            startedAt: Self.start,
            drainTimeoutNanoseconds: 10 * second,
            exitCode: story.exitCode
        )
        for step in story.steps {
            switch step {
            case .signal: plan.signaled()
            case .end(let how): plan.workerEnded(how: how)
            case .ask(let now, let alive, let action):
                #expect(plan.next(at: now, workersAlive: alive) == action)
            }
        }
    }

    @Test(arguments: [UInt64.max, .max - ShutdownPlan.marginNanoseconds])
    func `endless timeout never passes`(timeout: UInt64) {
        var plan = ShutdownPlan(startedAt: Self.start, drainTimeoutNanoseconds: timeout)
        #expect(plan.next(at: Self.start, workersAlive: 1) == .terminate)
        #expect(plan.next(at: .max - 1, workersAlive: 1) == .wait(until: .max))
    }
}
