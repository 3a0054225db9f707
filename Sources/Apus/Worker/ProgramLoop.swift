// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusRing
import Logging

/// The loop of a program that opens connections and accepts none: a worker's without listeners,
/// signals and a supervisor.
@WorkerActor
enum ProgramLoop {
    /// Runs the loop on the calling thread until `operation` has returned and all is closed.
    static func run<Value: Sendable>(
        configuration: ServerConfiguration,
        logger: Logger,
        _ operation: @escaping @WorkerActor () async throws -> Value
    ) throws -> Value {
        let executor = WorkerActor.shared.loop
        let outcome = Outcome<Value>()
        do {
            let wakeUp = try WakeUp()
            executor.attach(wake: wakeUp.signal)
            defer { executor.detach() }
            let ring = try Ring()
            try ring.selfTest()
            let driver = ConnectionDriver(
                ring: ring,
                configuration: configuration,
                listeners: [],
                logger: logger,
                now: Worker.now()
            )
            WorkerActor.dialer = driver
            // An application that keeps a connection keeps the driver with it.
            defer { WorkerActor.dialer = nil }
            Task { @WorkerActor in
                do {
                    outcome.result = .success(try await operation())
                } catch {
                    outcome.result = .failure(error)
                }
                driver.beginDrain()
            }
            try run(driver, waking: wakeUp, with: executor)
        } catch let error as RingError {
            throw ServerError(.systemRefuses, Worker.describe(error))
        } catch let error as SelfTestFailure {
            throw ServerError(.systemRefuses, error.sentence)
        }
        guard let result = outcome.result else {
            preconditionFailure("the loop ended before its operation")
        }
        return try result.get()
    }

    private static func run(
        _ driver: ConnectionDriver<Ring>,
        waking wakeUp: WakeUp,
        with executor: LoopExecutor
    ) throws(RingError) {
        let tag = OperationTag(.readable, generation: 0, slot: 0)
        driver.ring.awaitReadable(wakeUp.descriptor, tag: tag)
        try WorkerLoop(
            driver: driver,
            executor: executor,
            clock: Worker.now,
            control: { _ in
                wakeUp.clear()
                driver.ring.awaitReadable(wakeUp.descriptor, tag: tag)
            }
        ).run()
    }

    @WorkerActor
    private final class Outcome<Value> {
        var result: Result<Value, any Error>?
    }
}
