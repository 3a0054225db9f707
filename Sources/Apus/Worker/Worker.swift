// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol
import ApusRing
import ApusSupervisor
import CApusSystem
import Glibc
import Logging

/// One worker process, from the fork to its exit: it makes the ring, proves it, and runs the loop.
@WorkerActor
struct Worker {
    let context: WorkerContext
    let httpServers: [HTTPServer]
    let configuration: ServerConfiguration
    let logger: Logger

    /// The descriptors that the loop waits for besides its connections.
    private enum Control: UInt32 {
        case signals, supervisorGone, wakeUp
    }

    /// Runs the worker and returns its exit code.
    func run() -> Int32 {
        do {
            return try serve()
        } catch let error as RingError {
            return refuse(Self.describe(error))
        } catch let error as SelfTestFailure {
            return refuse("this kernel's io_uring fails the self-test: \(error.sentence)")
        } catch {
            return refuse("\(error)")
        }
    }

    private func serve() throws -> Int32 {
        let ring = try Ring()
        try ring.selfTest()
        let signals = try WorkerSignals()
        let wakeUp = apus_event_open()
        guard wakeUp >= 0 else { throw RingError(operation: "eventfd", errno: -wakeUp) }
        let executor = WorkerActor.shared.loop
        executor.attach { Self.write(to: wakeUp) }

        let driver = ConnectionDriver(
            ring: ring,
            configuration: configuration,
            listeners: zip(context.listeners, httpServers).map(WorkerListener.init),
            logger: logger,
            now: Self.now()
        )
        func watch(_ control: Control) {
            let descriptor =
                switch control {
                case .signals: signals.descriptor
                case .supervisorGone: context.supervisorGone
                case .wakeUp: wakeUp
                }
            driver.ring.awaitReadable(
                descriptor,
                tag: OperationTag(.readable, generation: 0, slot: control.rawValue)
            )
        }
        let loop = WorkerLoop(
            driver: driver,
            executor: executor,
            clock: Self.now,
            control: { completion in
                switch Control(rawValue: completion.tag.slot) {
                case .signals:
                    while let signal = signals.next() { handle(signal, driver) }
                    watch(.signals)
                case .supervisorGone:
                    logger.warning("the supervisor is gone: draining")
                    driver.beginDrain()
                case .wakeUp:
                    Self.read(from: wakeUp)
                    watch(.wakeUp)
                case nil:
                    driver.counters.staleCompletions += 1
                }
            }
        )
        watch(.signals)
        watch(.supervisorGone)
        watch(.wakeUp)
        context.ready.reportReady()
        do {
            try loop.run()
        } catch {
            // It was ready, so the supervisor hears no more than its exit code.
            logger.critical("\(Self.describe(error))")
            return ExitCode.system
        }
        log(driver.report(), "drained")
        return driver.drain?.hasCut == true ? 1 : 0
    }

    private func handle(_ signal: Int32, _ driver: ConnectionDriver<Ring>) {
        if signal == SIGUSR1 {
            log(driver.report(), "counters")
        } else {
            driver.beginDrain()
        }
    }

    private func log(_ report: [(name: String, value: Int)], _ message: Logger.Message) {
        var metadata: Logger.Metadata = ["worker": "\(context.slot)"]
        for (name, value) in report { metadata[name] = "\(value)" }
        logger.info(message, metadata: metadata)
    }

    /// Tells the supervisor why this worker, and any other like it, cannot serve.
    private func refuse(_ line: String) -> Int32 {
        context.ready.reportFailure(exitCode: ExitCode.system, line: line)
        return ExitCode.system
    }

    private static func describe(_ error: RingError) -> String {
        if error.operation.hasPrefix("io_uring"), let refusal = RingReport.inspect().refusal {
            return "io_uring is not available: \(refusal.cause) \(refusal.cure)"
        }
        return "the system refuses \(error.operation) (error \(error.errno)); see `apus check`"
    }

    private static func now() -> Instant {
        Instant(nanoseconds: apus_clock_monotonic())
    }

    // An eventfd takes and gives eight bytes. It can only be full, and then it wakes anyway.
    private static nonisolated func write(to descriptor: Int32) {
        var one: UInt64 = 1
        _ = unsafe apus_descriptor_write(descriptor, &one, MemoryLayout<UInt64>.size)
    }

    private static func read(from descriptor: Int32) {
        var count: UInt64 = 0
        _ = unsafe apus_descriptor_read(descriptor, &count, MemoryLayout<UInt64>.size)
    }
}
