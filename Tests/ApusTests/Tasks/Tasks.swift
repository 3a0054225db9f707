// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import Testing

/// Tests whose handlers are tasks.
@Suite struct Tasks {}

extension World {
    /// A world that runs the tasks of ``WorkerActor``.
    static func withTasks(
        seed: UInt64 = 1,
        faults: Faults = .none,
        configure: (inout ServerConfiguration) -> Void = { _ in }
    ) -> World {
        World(seed: seed, faults: faults, executor: WorkerActor.shared.loop, configure: configure)
    }
}

/// What a task waits for until the test opens it; it stays on the loop.
@WorkerActor
final class Gate {
    private var waiters: [ParkingSpot] = []
    private(set) var isOpen = false

    func wait() async {
        guard !isOpen else { return }
        let spot = ParkingSpot()
        waiters.append(spot)
        await spot.park()
    }

    func open() {
        isOpen = true
        for waiter in waiters { waiter.leave() }
        waiters = []
    }
}
