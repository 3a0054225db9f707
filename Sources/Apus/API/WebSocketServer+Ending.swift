// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
public import ApusProtocol

extension WebSocketServer {
    /// Ends the server, in all of its workers: ``run(workers:whenListening:)`` returns as after SIGTERM.
    ///
    /// This worker, before its next wait, accepts no more, answers pending requests with 503 and
    /// closes every connection with 1001; what is still open at the deadline is cut. The other
    /// workers do the same within ``ServerConfiguration/drainTimeout``. A worker that is ending
    /// already may get a nearer deadline, but no later one. Where no worker runs there is nothing to
    /// end, and the completion is called at once.
    ///
    /// - Parameters:
    ///   - deadline: how long connections may take to close; nil, or more than
    ///     ``ServerConfiguration/drainTimeout``: that time.
    ///   - completion: called with the number of this worker's connections that were cut, after the
    ///     last one has gone; when it returns, the process exits.
    @WorkerActor
    public func shutDown(
        within deadline: Interval? = nil,
        completion: (@WorkerActor (Int) -> Void)? = nil
    ) {
        guard let host else {
            completion?(0)
            return
        }
        host.shutDown(within: deadline, completion: completion)
    }

    /// Ends the server, as ``shutDown(within:completion:)``, and returns how many connections of this
    /// worker were cut.
    ///
    /// The task that waits here goes on once more, up to where it would wait again; then the process
    /// exits. The handler of an ordinary request would wait for its own answer: it calls
    /// ``shutDown(within:completion:)``.
    @WorkerActor
    public func shutDown(within deadline: Interval? = nil) async -> Int {
        await host?.shutDown(within: deadline) ?? 0
    }
}

/// What a server asks of the worker that it runs in.
@WorkerActor
protocol WorkerHost: AnyObject {
    func beginStartTask(_ body: @escaping @WorkerActor () async throws -> Void)

    func shutDown(within limit: Interval?, completion: (@WorkerActor (Int) -> Void)?)

    func shutDown(within limit: Interval?) async -> Int

    func broadcast(
        _ opcode: Opcode,
        _ payload: UnsafeRawBufferPointer,
        of server: WebSocketServer,
        except: WebSocketConnection?,
        compress: Bool
    ) -> BroadcastResult

    /// How many bytes of broadcasts wait for other workers.
    var broadcastBacklog: Int { get }
}
