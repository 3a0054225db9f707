// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

public import HTTPTypes

extension WebSocketClient {
    /// Connects, waits for the outcome, and returns the connection; the client's handlers are not
    /// called.
    ///
    /// The arguments are those of ``connect(_:protocols:origin:fields:)``. Throws what that throws,
    /// and a ``ConnectFailure`` where there is no connection. A task that is canceled ends its
    /// attempt, and gets a `CancellationError`.
    ///
    /// What the server sends at once is read only when the caller, on ``WorkerActor``, waits for
    /// something else: handlers that it sets before miss nothing.
    public func open(
        _ url: String,
        protocols: [String] = [],
        origin: String? = nil,
        fields: HTTPFields = [:]
    ) async throws -> WebSocketConnection {
        let parsed = try Self.parse(url)
        try Task.checkCancellation()
        let attempt = PendingAttempt()
        let webSocket: WebSocketConnection
        do {
            webSocket = try await withTaskCancellationHandler {
                try await withCheckedThrowingContinuation { continuation in
                    do {
                        attempt.connection = try begin(parsed, protocols, origin, fields) {
                            // Until the task goes on there is nobody to receive.
                            if case .success(let webSocket) = $0 { webSocket.pause() }
                            continuation.resume(with: $0)
                        }
                    } catch {
                        continuation.resume(throwing: error)
                    }
                }
            } onCancel: {
                Task { @WorkerActor in attempt.abort() }
            }
        } catch ConnectFailure.aborted where Task.isCancelled {
            throw CancellationError()
        }
        webSocket.resume()
        guard !Task.isCancelled else {
            webSocket.close()
            throw CancellationError()
        }
        guard webSocket.closeReasonCode == nil else { throw ConnectFailure.connectionLost }
        return webSocket
    }

    @WorkerActor
    private final class PendingAttempt {
        var connection: Connection?

        func abort() {
            guard let connection else { return }
            connection.attempt?.dialer?.abort(connection)
        }
    }
}
