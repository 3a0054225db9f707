// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

public import Logging

extension WorkerActor {
    /// Runs a worker's loop on the calling thread, for a program that is no server, until
    /// `operation` has returned; returns its value or throws its error.
    ///
    /// ```swift
    /// let answer = try WorkerActor.run {
    ///     let connection = try await WebSocketClient().open("ws://127.0.0.1:3001/")
    ///     …
    /// }
    /// ```
    /// It blocks its thread, so it is for a synchronous `main`. When `operation` has returned, the
    /// connections that are open are closed with 1001, at most for
    /// ``ServerConfiguration/drainTimeout``; tasks of the actor that it left behind stand still
    /// until the next `run`. Signals keep the meaning that they have in the program.
    ///
    /// Throws a ``ServerError`` where the system refuses io_uring, or a setting makes no sense. A
    /// second loop in the process at the same time is a mistake of the caller, and traps; one after
    /// the other is none.
    ///
    /// - Parameters:
    ///   - configuration: of which what concerns sending counts, and the drain timeout; how
    ///     connections receive is ``WebSocketClient/configuration``.
    ///   - logger: for handlers that throw.
    ///   - operation: the program.
    @available(*, noasync, message: "it blocks its thread, and with it other tasks")
    public static func run<Value: Sendable>(
        configuration: ServerConfiguration = ServerConfiguration(),
        logger: Logger = Logger(label: "apus"),
        _ operation: @escaping @WorkerActor () async throws -> Value
    ) throws -> Value {
        if let (setting, problem) = configuration.objection {
            throw ServerError(.configuration, "\(setting) \(problem)")
        }
        return try assumeIsolated {
            try ProgramLoop.run(configuration: configuration, logger: logger, operation)
        }
    }
}
