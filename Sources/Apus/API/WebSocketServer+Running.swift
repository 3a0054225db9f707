// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol
import ApusSupervisor
import ApusTLS
import CApusSystem
import Logging

extension WebSocketServer {
    /// Where a server listens, and who serves: what an operator is told when it is ready.
    public struct Listening: Sendable {
        /// The address of each HTTP server, with the real port: `127.0.0.1:3001`, or a path.
        public let addresses: [(endpoint: HTTPServer.Endpoint, address: String)]

        /// Whether TLS is spoken at each of them.
        public let isSecure: [Bool]

        /// How many workers accept.
        public let workerCount: Int

        /// The process to send signals to.
        public let supervisor: Int32
    }

    /// Serves with that many worker processes until it is told to end.
    ///
    /// Forks, so it has to be called on a thread that is the only one: from a synchronous `main`,
    /// before any task or queue was used. SIGTERM and SIGINT drain: no more is accepted, every
    /// connection is closed with 1001. Then this returns, in the supervisor: 0 if all closed in time,
    /// 1 if the drain timeout cut connections. It does not return in the workers.
    ///
    /// - Parameters:
    ///   - workers: how many; nil: one for each processor that this process may use.
    ///   - whenListening: called once, when all workers accept.
    @discardableResult
    public func run(
        workers: Int? = nil,
        whenListening: (Listening) -> Void = { _ in }
    ) throws(ServerError) -> Int32 {
        let configuration = configuration
        if let (setting, problem) = configuration.objection {
            throw ServerError(.configuration, "\(setting) \(problem)")
        }
        let httpServers = httpServers
        guard !httpServers.isEmpty else {
            throw ServerError(.configuration, "no HTTP server is mounted: nothing to listen on")
        }
        let workerCount = workers ?? Int(max(1, apus_process_cpu_count()))
        guard workerCount > 0 else {
            throw ServerError(.configuration, "\(workerCount) workers: at least 1 is needed")
        }
        // A connection is a descriptor. Where this is refused, `accept` tells when they run out.
        _ = apus_limit_raise_descriptors()
        let tls = try tlsListeners(for: httpServers)
        let ticketKeys = tls.contains { $0 != nil } ? try TicketKeys() : nil
        // The workers have ended by then.
        defer { ticketKeys?.wipe() }
        let hub = workerCount > 1 ? try BroadcastHub(slotCount: workerCount) : nil
        let listeners = try Self.listeners(for: httpServers, slots: workerCount)
        let listening = Listening(
            addresses: zip(httpServers, listeners).map { ($0.endpoint, $1.address) },
            isSecure: httpServers.map { $0.tls != nil },
            workerCount: workerCount,
            supervisor: apus_process_number()
        )
        return try supervise(
            workerCount,
            listeners,
            duties: ticketKeys.map {
                SupervisorDuties(tls: tls.compactMap(\.self), keys: $0, logger: logger)
            } ?? SupervisorDuties(),
            whenReady: {
                if let metadata = configuration.compression.metadata {
                    logger.info("messages are compressed", metadata: metadata)
                }
                whenListening(listening)
            },
            worker: { context in
                WorkerActor.assumeIsolated {
                    Worker(
                        context: context,
                        workerCount: workerCount,
                        server: self,
                        httpServers: httpServers,
                        tls: tls,
                        ticketKeys: ticketKeys,
                        hub: hub,
                        configuration: configuration,
                        logger: logger
                    ).run()
                }
            }
        )
    }

    /// What TLS needs at each of them; nil where there is none.
    private func tlsListeners(
        for httpServers: [HTTPServer]
    ) throws(ServerError) -> [TLSListener?] {
        var made: [TLSListener?] = []
        for (index, httpServer) in httpServers.enumerated() {
            do {
                var listener: TLSListener?
                if let tls = httpServer.tls {
                    listener = try TLSListener(tls, number: UInt32(index))
                }
                for warning in listener?.warnings(at: apus_clock_wall()) ?? [] {
                    logger.warning("\(warning)")
                }
                made.append(listener)
            } catch {
                throw ServerError(.configuration, "\(error)")
            }
        }
        return made
    }

    private static func listeners(
        for httpServers: [HTTPServer],
        slots: Int
    ) throws(ServerError) -> [ListenerSet] {
        var opened: [ListenerSet] = []
        for httpServer in httpServers {
            let address: ListenerSpec.Address =
                switch httpServer.endpoint {
                case .tcp(let host, let port): .tcp(host: host, port: port)
                case .unix(let path): .unix(path: path)
                }
            do {
                opened.append(try ListenerSet.open(ListenerSpec(address), slots: slots))
            } catch {
                for set in opened { set.close() }
                throw ServerError(.cannotListen, error.description)
            }
        }
        return opened
    }

    private func supervise(
        _ workerCount: Int,
        _ listeners: [ListenerSet],
        duties: SupervisorDuties,
        whenReady: () -> Void,
        worker: (sending WorkerContext) -> Int32
    ) throws(ServerError) -> Int32 {
        let logger = logger
        var failure: String?
        var hasServed = false
        var isSignaled = false
        let supervisor = Supervisor(
            configuration: SupervisorConfiguration(
                workerCount: workerCount,
                listeners: listeners,
                drainTimeoutNanoseconds: configuration.drainTimeout.nanoseconds
            ),
            duties: duties,
            log: { event in
                switch event {
                case .failed(let line): failure = hasServed ? line : failure ?? line
                case .draining(let signal): isSignaled = signal != nil
                case .allReady: hasServed = true
                default: break
                }
                // Why a start fails is thrown, as one sentence; the rest would only bury it.
                Self.log(event, to: logger, isStarting: !hasServed)
            }
        )
        let exitCode: Int32
        do {
            exitCode = try supervisor.run(onAllReady: whenReady, worker: worker)
        } catch {
            throw ServerError(.systemRefuses, error.description)
        }
        // What failed before a signal came was overcome, or did not keep others from serving.
        if let failure, !isSignaled { throw ServerError(.init(exitCode: exitCode), failure) }
        return exitCode
    }

    private static func log(_ event: SupervisorEvent, to logger: Logger, isStarting: Bool) {
        switch event {
        case .workerStarted(let slot, let pid):
            logger.debug("worker started", metadata: ["worker": "\(slot)", "pid": "\(pid)"])
        case .workerReady(let slot, let pid, let after):
            logger.debug(
                "worker ready",
                metadata: ["worker": "\(slot)", "pid": "\(pid)", "after_us": "\(after / 1000)"]
            )
        case .workerEnded(let slot, let pid, let how, let after):
            logger.log(
                level: isStarting || how == .exited(code: 0) ? .debug : .warning,
                "worker \(slot) \(how)",
                metadata: ["pid": "\(pid)", "after_ms": "\(after / 1_000_000)"]
            )
        case .respawning(let slot, let after):
            logger.notice(
                "worker is started again",
                metadata: ["worker": "\(slot)", "in_ms": "\(after / 1_000_000)"]
            )
        case .startFailed(let slot, let error):
            logger.debug(
                "worker could not be started",
                metadata: ["worker": "\(slot)", "error": "\(error)"]
            )
        case .allReady:
            logger.debug("all workers accept")
        case .draining(let signal):
            logger.log(
                level: isStarting && signal == nil ? .debug : .info,
                "draining",
                metadata: signal.map { ["signal": "\($0)"] }
            )
        case .killing(let count):
            logger.log(
                level: isStarting ? .debug : .warning,
                "workers are killed",
                metadata: ["count": "\(count)"]
            )
        case .signalForwarded(let signal):
            logger.debug("signal passed on", metadata: ["signal": "\(signal)"])
        case .signalIgnored(let signal):
            logger.notice("signal ignored", metadata: ["signal": "\(signal)"])
        case .failed(let line):
            logger.log(level: isStarting ? .debug : .error, "\(line)")
        }
    }
}

extension WebSocketServer.Listening: CustomStringConvertible {
    /// A line for each address:
    /// `listening on ws://127.0.0.1:3001 with 2 workers (supervisor 1234)`.
    public var description: String {
        let workers = workerCount == 1 ? "1 worker" : "\(workerCount) workers"
        let lines = zip(addresses, isSecure).map { place, isSecure in
            let scheme = isSecure ? "wss" : "ws"
            let url =
                switch place.endpoint {
                case .tcp: "\(scheme)://\(place.address)"
                case .unix: "\(scheme)+unix:\(place.address)"
                }
            return "listening on \(url) with \(workers) (supervisor \(supervisor))"
        }
        return lines.joined(separator: "\n")
    }
}
