// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusRing
import ApusSupervisor
import Glibc

/// What a worker's loop waits for besides its connections: signals, the supervisor's end, wake-ups.
@WorkerActor
final class WorkerControl {
    /// What the worker is told to do.
    enum Order {
        case drain
        /// The supervisor is gone: drain as well.
        case drainAsOrphan
        case reportCounters
        case reload
        case takeBroadcasts
    }

    private enum Source: UInt32, CaseIterable {
        case signals, supervisorGone, wakeUp, broadcasts
    }

    private let signals: WorkerSignals
    private let supervisorGone: Int32
    private let wakeUp: WakeUp
    /// Readable when there are broadcasts of other workers; nil where there are no others.
    private let broadcasts: Int32?

    /// Jobs that `executor` gets from other threads wake the loop from here on.
    init(supervisorGone: Int32, broadcasts: Int32?, executor: LoopExecutor) throws {
        signals = try WorkerSignals()
        self.supervisorGone = supervisorGone
        self.broadcasts = broadcasts
        wakeUp = try WakeUp()
        executor.attach(wake: wakeUp.signal)
    }

    func watchAll(with ring: borrowing some RingVerbs & ~Copyable) {
        for source in Source.allCases { watch(source, with: ring) }
    }

    /// What a completion of one of these waits says; the wait is begun again where it may say more.
    func orders(
        of completion: Completion,
        ring: borrowing some RingVerbs & ~Copyable
    ) -> [Order] {
        guard let source = Source(rawValue: completion.tag.slot) else { return [] }
        guard completion.result >= 0 else {
            // Failed for want of memory: it says nothing.
            watch(source, with: ring)
            return []
        }
        switch source {
        case .signals:
            var orders: [Order] = []
            while let signal = signals.next() {
                switch signal {
                case SIGUSR1: orders.append(.reportCounters)
                case SIGHUP: orders.append(.reload)
                default: orders.append(.drain)
                }
            }
            watch(source, with: ring)
            return orders
        case .supervisorGone:
            return [.drainAsOrphan]
        case .wakeUp:
            wakeUp.clear()
            watch(source, with: ring)
            return []
        case .broadcasts:
            watch(source, with: ring)
            return [.takeBroadcasts]
        }
    }

    private func watch(_ source: Source, with ring: borrowing some RingVerbs & ~Copyable) {
        let descriptor: Int32? =
            switch source {
            case .signals: signals.descriptor
            case .supervisorGone: supervisorGone
            case .wakeUp: wakeUp.descriptor
            case .broadcasts: broadcasts
            }
        guard let descriptor else { return }
        ring.awaitReadable(
            descriptor,
            tag: OperationTag(.readable, generation: 0, slot: source.rawValue)
        )
    }
}
