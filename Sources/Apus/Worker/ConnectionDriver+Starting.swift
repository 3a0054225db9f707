// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Logging

extension ConnectionDriver where Ring: ~Copyable {
    /// Runs what the application does from a worker's start on, until it ends or the worker drains.
    func beginStartTask(_ body: @escaping @WorkerActor () async throws -> Void) {
        let task = HandlerTask()
        startTask = task
        taskCount += 1
        task.begin {
            do {
                try await body()
            } catch {
                if !task.isCanceled { self.countHandlerError("a worker's task threw", error) }
            }
            self.taskCount -= 1
        }
    }
}
