// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol
import ApusRing

/// The end of a worker.
struct Drain {
    /// When what is still open is cut; nil once that was done.
    var deadline: Instant?

    /// Whether the connections were told.
    var hasBegun = false

    /// How many connections the deadline found open.
    var cutCount = 0

    /// Who wants to hear that count.
    var completions: [@WorkerActor (Int) -> Void] = []

    /// How many tasks were told of it, or will be, and have not gone on yet.
    var waiterCount = 0

    /// Of the handlers that are tasks, those that wait for it themselves or in a part of theirs.
    private var waitingHandlers: [HandlerTask] = []

    @WorkerActor var waitingHandlerCount: Int { waitingHandlers.count { !$0.isOver } }

    mutating func waits(_ handler: HandlerTask) {
        if !waitingHandlers.contains(where: { $0 === handler }) { waitingHandlers.append(handler) }
    }

    init(deadline: Instant) {
        self.deadline = deadline
    }
}

extension ConnectionDriver: WorkerHost where Ring: ~Copyable {
    /// The application ends the server: the drain begins before the next wait, since its handler may
    /// be amid anything, and the supervisor has the other workers do the same.
    func shutDown(within limit: Interval?, completion: (@WorkerActor (Int) -> Void)?) {
        if drain == nil { endAll() }
        setDrainDeadline(within: limit)
        if let completion { drain?.completions.append(completion) }
    }

    /// As above, for a task, which the worker lives to see go on.
    func shutDown(within limit: Interval?) async -> Int {
        var cutCount = 0
        let spot = ParkingSpot()
        shutDown(within: limit) { count in
            cutCount = count
            spot.leave()
        }
        drain?.waiterCount += 1
        if let handler = HandlerTask.current { drain?.waits(handler) }
        await spot.park()
        drain?.waiterCount -= 1
        return cutCount
    }
}

extension ConnectionDriver where Ring: ~Copyable {
    /// Nothing that asks again prolongs the end.
    func setDrainDeadline(within limit: Interval?) {
        let timeout = configuration.drainTimeout
        let deadline = now.advanced(by: limit.map { min($0, timeout) } ?? timeout)
        guard let drain else {
            drain = Drain(deadline: deadline)
            return
        }
        self.drain?.deadline = drain.deadline.map { min($0, deadline) }
    }

    /// Once the worker has drained: tells whoever waits for it.
    func tellOfDrain() {
        while let drain, !drain.completions.isEmpty {
            self.drain?.completions = []
            for completion in drain.completions { completion(drain.cutCount) }
        }
    }
}
