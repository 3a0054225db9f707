// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol
import ApusRing

/// The hot path: wait, copy the completions out, act on each, flush, repeat.
///
/// An echo on a busy worker costs its share of one `io_uring_enter` and no system call of its own:
/// what a turn has to send to a connection, one reply or many, rides with the wait.
@WorkerActor
struct WorkerLoop<Ring: RingVerbs & ~Copyable> {
    let driver: ConnectionDriver<Ring>
    let executor: LoopExecutor
    let clock: () -> Instant
    /// Signals, the supervisor's end, wake-ups: the descriptors that a worker waits for by itself.
    let control: (Completion) -> Void

    /// Runs until the worker has drained.
    func run() throws(RingError) {
        while !driver.isDrained {
            try turn()
        }
        driver.tellOfDrain()
        // Tasks that waited for this go on, and may ask again.
        while let drain = driver.drain, drain.waiterCount > 0 {
            try turn()
            driver.tellOfDrain()
        }
    }

    /// One turn.
    func turn() throws(RingError) {
        driver.prepareWait()
        let count = try driver.ring.wait(
            nanosecondsMax: executor.hasJobs ? 0 : driver.waitNanosecondsMax
        )
        driver.now = clock()
        driver.settleSends(count)
        for index in 0..<count {
            let completion = driver.ring.completion(at: index)
            if completion.tag.kind == .readable {
                control(completion)
            } else {
                driver.complete(completion)
            }
        }
        driver.fireTimers(after: count)
        executor.runJobs()
    }
}
