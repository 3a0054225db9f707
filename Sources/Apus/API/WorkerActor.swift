// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// The worker's loop as a global actor: handlers and the objects that they use are isolated to it.
///
/// A worker process serves all of its connections on one thread, and that thread runs this actor.
/// Handlers are called straight from the loop, without a hop or a lock; `Task { @WorkerActor in … }`
/// runs on the loop as well. State that a handler shares with others belongs on this actor.
@globalActor
public actor WorkerActor {
    /// The one instance of the process.
    public static let shared = WorkerActor()

    nonisolated let loop = LoopExecutor()

    /// What connects for the clients of this process; nil before its worker has a loop.
    @WorkerActor static weak var dialer: (any WebSocketDialer)?

    /// The worker's loop.
    public nonisolated var unownedExecutor: UnownedSerialExecutor {
        unsafe loop.asUnownedSerialExecutor()
    }

    /// Calls `operation` where the loop's thread is known to run, as the loop itself does.
    static func assumeIsolated<Result>(
        _ operation: @WorkerActor () throws -> Result
    ) rethrows -> Result {
        try withoutActuallyEscaping(operation) { isolated in
            // Dropping the isolation from the type is sound: this thread is the loop.
            let plain = unsafe unsafeBitCast(isolated, to: (() throws -> Result).self)
            return try plain()
        }
    }
}
