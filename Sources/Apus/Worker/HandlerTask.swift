// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// The task of an asynchronous handler; canceled when what it serves is over.
@WorkerActor
final class HandlerTask {
    /// The handler that the running task is, or is a part of.
    @TaskLocal static var current: HandlerTask?

    private var task: Task<Void, Never>?
    private(set) var isCanceled = false
    private(set) var isOver = false

    /// The connection that it has accepted, until that is over.
    var webSocket: WebSocketConnection?

    /// Runs `body` at once, up to where it waits for the first time.
    func begin(_ body: @escaping @WorkerActor () async -> Void) {
        let task = WorkerActor.shared.loop.begin {
            Task { @WorkerActor in
                await Self.$current.withValue(self) { await body() }
                self.isOver = true
                self.task = nil
            }
        }
        guard !isOver else { return }
        self.task = task
        if isCanceled { task.cancel() }
    }

    func cancel() {
        isCanceled = true
        webSocket = nil
        task?.cancel()
    }
}
