// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol
import ApusRing
import ApusSupervisor
import CApusSystem
import Logging

/// One worker process, from the fork to its exit: it makes the ring, proves it, and runs the loop.
@WorkerActor
struct Worker {
    let context: WorkerContext
    let workerCount: Int
    let server: WebSocketServer
    let httpServers: [HTTPServer]
    /// What TLS needs at each of them; nil where it is not spoken.
    let tls: [TLSListener?]
    /// The keys of session tickets; nil where there are none.
    let ticketKeys: TicketKeys?
    /// What passes broadcasts between workers; nil for a single one.
    let hub: BroadcastHub?
    let configuration: ServerConfiguration
    let logger: Logger

    /// Runs the worker and returns its exit code.
    func run() -> Int32 {
        do {
            return try serve()
        } catch let error as RingError {
            return refuse(Self.describe(error))
        } catch let error as SelfTestFailure {
            return refuse("this kernel's io_uring fails the self-test: \(error.sentence)")
        } catch let error as StartFailure {
            return refuse(
                "worker \(context.slot) cannot start: \(error.reason)",
                ExitCode.unavailable
            )
        } catch {
            return refuse("\(error)")
        }
    }

    private func serve() throws -> Int32 {
        let ring = try Ring()
        try ring.selfTest()
        let executor = WorkerActor.shared.loop
        let channel = hub.map {
            BroadcastChannel($0, slot: context.slot, server: server, configuration: configuration)
        }
        let control = try WorkerControl(
            supervisorGone: context.supervisorGone,
            broadcasts: channel?.descriptor,
            executor: executor
        )
        let driver = ConnectionDriver(
            ring: ring,
            configuration: configuration,
            listeners: httpServers.indices.map { index in
                WorkerListener(
                    descriptor: context.listeners[index],
                    httpServer: httpServers[index],
                    tls: tls[index]
                )
            },
            logger: logger,
            now: Self.now()
        )
        driver.endAll = { context.endAll() }
        driver.broadcasts.channel = channel
        driver.ticketKeys = ticketKeys.map(TicketKeysSeen.init)
        WorkerActor.dialer = driver
        server.host = driver
        try start(with: driver)
        let loop = WorkerLoop(
            driver: driver,
            executor: executor,
            clock: Self.now,
            control: { completion in
                for order in control.orders(of: completion, ring: driver.ring) {
                    carryOut(order, with: driver)
                }
            }
        )
        control.watchAll(with: driver.ring)
        context.ready.reportReady()
        do {
            try loop.run()
        } catch {
            // It was ready, so the supervisor hears no more than its exit code.
            logger.critical("\(Self.describe(error))")
            return ExitCode.system
        }
        channel?.leave()
        log(driver.report(), "drained")
        return driver.drain?.cutCount == 0 ? 0 : 1
    }

    /// The application's part of the start.
    private func start(with driver: ConnectionDriver<Ring>) throws(StartFailure) {
        let start = WebSocketServer.WorkerStart(slot: context.slot, workerCount: workerCount)
        do {
            try server.startHandler?(start, driver)
        } catch {
            throw StartFailure(reason: error)
        }
    }

    private struct StartFailure: Error {
        let reason: any Error
    }

    private func carryOut(_ order: WorkerControl.Order, with driver: ConnectionDriver<Ring>) {
        switch order {
        case .drain:
            driver.beginDrain()
        case .drainAsOrphan:
            logger.warning("the supervisor is gone: draining")
            driver.beginDrain()
        case .reportCounters:
            log(driver.report(), "counters")
        case .reload:
            driver.reloadTLS()
        case .takeBroadcasts:
            driver.broadcasts.woke()
        }
    }

    private func log(_ report: [(name: String, value: Int)], _ message: Logger.Message) {
        var metadata: Logger.Metadata = ["worker": "\(context.slot)"]
        for (name, value) in report { metadata[name] = "\(value)" }
        logger.info(message, metadata: metadata)
    }

    /// Tells the supervisor why this worker, and any other like it, cannot serve.
    private func refuse(_ line: String, _ exitCode: Int32 = ExitCode.system) -> Int32 {
        context.ready.reportFailure(exitCode: exitCode, line: line)
        return exitCode
    }

    static func describe(_ error: RingError) -> String {
        if error.operation.hasPrefix("io_uring"), let refusal = RingReport.inspect().refusal {
            return "io_uring is not available: \(refusal.cause) \(refusal.cure)"
        }
        return "the system refuses \(error.operation) (error \(error.errno)); see `apus check`"
    }

    static func now() -> Instant {
        Instant(nanoseconds: apus_clock_monotonic())
    }
}
