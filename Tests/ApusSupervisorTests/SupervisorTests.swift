// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusSupervisor
import CApusSystem
import Glibc
import Testing

/// Real forks, each in an exit test's process.
///
/// That one has more threads than the supervisor allows, hence the injected count; its workers only
/// make system calls, which is safe all the same.
@Suite struct SupervisorTests {
    @Test func `process with more threads is refused before anything starts`() throws {
        let set = try ListenerSet.open(ListenerSetTests.anyPort, slots: 1)
        let supervisor = Supervisor(
            configuration: SupervisorConfiguration(workerCount: 1, listeners: [set]),
            log: { Issue.record("\($0)") },
            threadCount: { 3 }
        )
        let error = try #require(throws: SupervisorError.self) {
            try supervisor.run { _ in 0 }
        }
        #expect(error == .threadsExist(count: 3))
        #expect(
            error.description == "fork needs a single-threaded process: it has 3 threads; "
                + "start tasks and queues inside handlers, not before run"
        )
    }

    @Test func `killed worker is replaced in its slot and a signal drains`() async {
        await #expect(processExitsWith: .success) {
            let set = try ListenerSet.open(ListenerSetTests.anyPort, slots: 2)
            let listeners = (0..<2).map(set.descriptor(forSlot:))
            let stage = Stage(listeners: [set])
            stage.onEvent = { event, events in
                if case .workerReady(slot: 1, let pid, _) = event {
                    switch events.count(where: { $0.isReady(slot: 1) }) {
                    case 1: kill(pid, SIGKILL)
                    default: stage.signalSelf(SIGTERM)
                    }
                }
            }
            let exitCode = try stage.run { context in
                let other = listeners[1 - context.slot]
                guard context.listeners == [listeners[context.slot]], fcntl(other, F_GETFD) < 0
                else { return 1 }
                guard let signals = try? WorkerSignals() else { return 1 }
                context.ready.reportReady()
                return awaitSignal(signals, context) == SIGTERM ? 0 : 1
            }
            #expect(exitCode == 0)
            #expect(stage.count { $0.isStart(slot: 0) } == 1)
            #expect(stage.count { $0.isStart(slot: 1) } == 2)
            #expect(stage.ends == [.signaled(signal: 9), .exited(code: 0), .exited(code: 0)])
            #expect(fcntl(listeners[0], F_GETFD) < 0)
        }
    }

    @Test func `every slot is ready before it is told, and told once`() async {
        await #expect(processExitsWith: .success) {
            let stage = Stage(listeners: [])
            stage.onAllReady = { events in
                #expect(events.count { $0.isReady(slot: 0) } == 1)
                #expect(events.count { $0.isReady(slot: 1) } == 1)
                stage.signalSelf(SIGINT)
            }
            let exitCode = try stage.run(worker: Stage.obedientWorker)
            #expect(exitCode == 0)
            #expect(stage.count { $0 == .allReady } == 1)
            #expect(stage.count { $0 == .draining(signal: SIGINT) } == 1)
        }
    }

    @Test func `boot failure gives one line, its code and no other start`() async {
        await #expect(processExitsWith: .success) {
            let stage = Stage(listeners: [])
            let exitCode = try stage.run { context in
                context.ready.reportFailure(exitCode: 71, line: "io_uring is refused; allow it")
                return 71
            }
            #expect(exitCode == 71)
            #expect(stage.failures == ["io_uring is refused; allow it"])
            #expect(stage.count { $0.isStart(slot: 0) } == 1)
            #expect(stage.count { $0.isStart(slot: 1) } == 1)
        }
    }

    @Test func `worker that dies before it is ready ends it all with 69`() async {
        await #expect(processExitsWith: .success) {
            let stage = Stage(listeners: [])
            let exitCode = try stage.run { _ in
                raise(SIGKILL)
                return 0
            }
            #expect(exitCode == 69)
            #expect(stage.failures.count == 1)
            #expect(stage.count { $0.isStart(slot: 0) } == 1)
        }
    }

    @Test func `worker that never gets ready is given up`() async {
        await #expect(processExitsWith: .success) {
            let stage = Stage(listeners: [], bootTimeoutNanoseconds: 1_000_000)
            let exitCode = try stage.run { _ in
                while true { pause() }
            }
            #expect(exitCode == 69)
            #expect(stage.failures.count == 1)
        }
    }

    @Test func `drain that cut connections exits with 1`() async {
        await #expect(processExitsWith: .success) {
            let stage = Stage(listeners: [])
            stage.onAllReady = { _ in stage.signalSelf(SIGTERM) }
            let exitCode = try stage.run { context in
                _ = Stage.obedientWorker(context)
                return context.slot == 0 ? 1 : 0
            }
            #expect(exitCode == 1)
        }
    }

    @Test func `second signal kills at once`() async {
        await #expect(processExitsWith: .success) {
            let stage = Stage(listeners: [], drainTimeoutNanoseconds: .max)
            stage.onAllReady = { _ in stage.signalSelf(SIGTERM) }
            stage.onEvent = { event, _ in
                if event == .draining(signal: SIGTERM) { stage.signalSelf(SIGINT) }
            }
            let exitCode = try stage.run(worker: Stage.stubbornWorker)
            #expect(exitCode == 1)
            #expect(stage.count { $0 == .killing(count: 2) } == 1)
            #expect(stage.ends == [.signaled(signal: 9), .signaled(signal: 9)])
        }
    }

    @Test func `deadline kills who does not drain`() async {
        await #expect(processExitsWith: .success) {
            let stage = Stage(listeners: [], drainTimeoutNanoseconds: 0)
            stage.onAllReady = { _ in stage.signalSelf(SIGTERM) }
            let exitCode = try stage.run(worker: Stage.stubbornWorker)
            #expect(exitCode == 1)
            #expect(stage.count { $0 == .killing(count: 2) } == 1)
        }
    }

    @Test func `signals without a meaning are told and change nothing`() async {
        await #expect(processExitsWith: .success) {
            let ignored = [SIGHUP, SIGUSR2, SIGTTIN, SIGTTOU]
            let stage = Stage(listeners: [])
            stage.onAllReady = { _ in ignored.forEach(stage.signalSelf) }
            stage.onEvent = { event, events in
                let told = events.count { if case .signalIgnored = $0 { true } else { false } }
                if case .signalIgnored = event, told == ignored.count { stage.signalSelf(SIGTERM) }
            }
            let exitCode = try stage.run { context in
                for signal in ignored.dropFirst() { kill(getpid(), signal) }
                return Stage.obedientWorker(context)
            }
            #expect(exitCode == 0)
            for signal in ignored { #expect(stage.count { $0 == .signalIgnored(signal) } == 1) }
        }
    }

    @Test func `USR1 reaches every worker`() async {
        await #expect(processExitsWith: .success) {
            let stage = Stage(listeners: [])
            stage.onAllReady = { _ in stage.signalSelf(SIGUSR1) }
            stage.onEvent = { event, _ in
                if event == .signalForwarded(SIGUSR1) { stage.signalSelf(SIGTERM) }
            }
            let exitCode = try stage.run { context in
                guard let signals = try? WorkerSignals() else { return 1 }
                context.ready.reportReady()
                var seen: Set<Int32> = []
                while seen.count < 2 {
                    guard let signal = awaitSignal(signals, context) else { return 1 }
                    seen.insert(signal)
                }
                return seen == [SIGUSR1, SIGTERM] ? 0 : 1
            }
            #expect(exitCode == 0)
        }
    }

    @Test func `HUP reaches every worker once the supervisor has reloaded`() async {
        await #expect(processExitsWith: .success) {
            let stage = Stage(listeners: [])
            var reloads = [false, true]
            var eventsAtReload: [Int] = []
            stage.duties.reload = {
                eventsAtReload.append(stage.events.count)
                let isReloaded = reloads.removeFirst()
                if !isReloaded { stage.signalSelf(SIGHUP) }
                return isReloaded
            }
            stage.onAllReady = { _ in stage.signalSelf(SIGHUP) }
            stage.onEvent = { event, _ in
                if event == .signalForwarded(SIGHUP) { stage.signalSelf(SIGTERM) }
            }
            let exitCode = try stage.run { context in
                guard let signals = try? WorkerSignals() else { return 1 }
                context.ready.reportReady()
                var seen: Set<Int32> = []
                while seen.count < 2 {
                    guard let signal = awaitSignal(signals, context) else { return 1 }
                    seen.insert(signal)
                }
                return seen == [SIGHUP, SIGTERM] ? 0 : 1
            }
            #expect(exitCode == 0)
            // The first one failed: nobody was told, and nothing happened in between.
            #expect(eventsAtReload.count == 2 && eventsAtReload[0] == eventsAtReload[1])
            #expect(stage.count { $0 == .signalForwarded(SIGHUP) } == 1)
        }
    }

    @Test func `periodic duty is done again and again`() async {
        await #expect(processExitsWith: .success) {
            let stage = Stage(listeners: [])
            var count = 0
            stage.duties.periodic = (
                1_000_000,
                {
                    count += 1
                    if count == 3 { stage.signalSelf(SIGTERM) }
                }
            )
            let exitCode = try stage.run(worker: Stage.obedientWorker)
            #expect(exitCode == 0)
            #expect(count >= 3)
        }
    }

    @Test func `thread that appears later ends it all in order`() async {
        await #expect(processExitsWith: .success) {
            let stage = Stage(listeners: [])
            stage.onEvent = { event, _ in
                if case .workerEnded(slot: 1, _, _, _) = event { stage.threadCount = 2 }
            }
            let exitCode = try stage.run { context in
                if context.slot == 0 { return Stage.obedientWorker(context) }
                context.ready.reportReady()
                return 0
            }
            #expect(exitCode == 71)
            #expect(stage.failures == [SupervisorError.threadsExist(count: 2).description])
        }
    }
}

/// A supervisor of two slots, and all that it tells.
private final class Stage {
    var onEvent: (SupervisorEvent, [SupervisorEvent]) -> Void = { _, _ in }
    var onAllReady: ([SupervisorEvent]) -> Void = { _ in }
    var threadCount: Int32 = 1
    var duties = SupervisorDuties()
    private(set) var events: [SupervisorEvent] = []
    private let configuration: SupervisorConfiguration

    init(
        listeners: [ListenerSet],
        drainTimeoutNanoseconds: UInt64 = 60_000_000_000,
        bootTimeoutNanoseconds: UInt64 = 60_000_000_000
    ) {
        configuration = SupervisorConfiguration(
            workerCount: 2,
            listeners: listeners,
            drainTimeoutNanoseconds: drainTimeoutNanoseconds,
            bootTimeoutNanoseconds: bootTimeoutNanoseconds
        )
    }

    func run(worker: (WorkerContext) -> Int32) throws -> Int32 {
        let supervisor = Supervisor(
            configuration: configuration,
            duties: duties,
            log: { event in
                self.events.append(event)
                self.onEvent(event, self.events)
            },
            threadCount: { self.threadCount }
        )
        return try supervisor.run(onAllReady: { self.onAllReady(self.events) }, worker: worker)
    }

    /// To the supervisor's own thread: the others of the process do not block it.
    func signalSelf(_ signal: Int32) {
        #expect(pthread_kill(pthread_self(), signal) == 0)
    }

    func count(where isCounted: (SupervisorEvent) -> Bool) -> Int { events.count(where: isCounted) }

    var ends: [WorkerEnd] {
        events.compactMap { if case .workerEnded(_, _, let how, _) = $0 { how } else { nil } }
    }

    var failures: [String] {
        events.compactMap { if case .failed(let line) = $0 { line } else { nil } }
    }

    static func obedientWorker(_ context: WorkerContext) -> Int32 {
        guard let signals = try? WorkerSignals() else { return 1 }
        context.ready.reportReady()
        return awaitSignal(signals, context) == nil ? 1 : 0
    }

    static func stubbornWorker(_ context: WorkerContext) -> Int32 {
        context.ready.reportReady()
        while true { pause() }
    }
}

/// The next signal; nil when the supervisor is gone.
private func awaitSignal(_ signals: borrowing WorkerSignals, _ context: WorkerContext) -> Int32? {
    var entries = [
        apus_poll_readable(signals.descriptor), apus_poll_readable(context.supervisorGone),
    ]
    while true {
        if let signal = signals.next() { return signal }
        if entries[1].found != 0 { return nil }
        _ = unsafe apus_poll(&entries, entries.count, -1)
    }
}

extension SupervisorEvent {
    fileprivate func isStart(slot: Int) -> Bool {
        if case .workerStarted(slot, _) = self { true } else { false }
    }

    fileprivate func isReady(slot: Int) -> Bool {
        if case .workerReady(slot, _, _) = self { true } else { false }
    }
}
