// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

extension WebSocketServer {
    /// A worker that is about to serve.
    public struct WorkerStart: Hashable, Sendable {
        /// Its place among the workers, from 0; a worker that replaces another has that one's.
        public let slot: Int

        /// How many workers there are.
        public let workerCount: Int

        init(slot: Int, workerCount: Int) {
            self.slot = slot
            self.workerCount = workerCount
        }
    }

    /// Called once in each worker, on its loop, before it accepts the first connection.
    ///
    /// It is for what a worker has besides its connections: what it reads at its start, or opens to
    /// other servers. What it throws ends the start: ``run(workers:whenListening:)`` throws a
    /// ``ServerError`` that says so, or, where the slot has served before, another worker is
    /// started in a while. One handler is kept: the last.
    public func onWorkerStart(_ handler: @escaping @WorkerActor (WorkerStart) throws -> Void) {
        setStartHandler { start, _ in try handler(start) }
    }

    /// The same for a handler that goes on while the worker serves, as a task on its loop.
    ///
    /// ```swift
    /// server.onWorkerStart { worker async throws in
    ///     guard worker.slot == 0 else { return }  // one ticks for all
    ///     while true {
    ///         try await Task.sleep(for: .seconds(1))
    ///         server.broadcastUTF("tick")
    ///     }
    /// }
    /// ```
    /// The worker accepts as soon as the handler waits for the first time. When the worker begins
    /// to drain, the task is canceled, and its end is waited for as connections are. What it throws
    /// before is logged and counted, and the worker serves on.
    public func onWorkerStart(
        _ handler: @escaping @WorkerActor (WorkerStart) async throws -> Void
    ) {
        setStartHandler { start, host in host.beginStartTask { try await handler(start) } }
    }
}
