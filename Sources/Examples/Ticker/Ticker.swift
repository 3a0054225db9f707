// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Apus
import ApusProtocol
import Glibc
import Logging

/// Tells everybody, in all workers, the number of the tick, ten times a second.
///
/// Shows `onWorkerStart`: one task of one worker ticks, and broadcasts reach the connections of
/// all. Whoever reads too slowly loses the oldest ticks instead of the connection.
///
/// `swift run Ticker [MILLISECONDS]`
@main
enum Ticker {
    static func main() throws {
        LoggingSystem.bootstrap(StreamLogHandler.standardOutput)
        let pause = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 100
        var configuration = ServerConfiguration()
        configuration.maxSendQueue = 4 << 10
        configuration.slowConsumerPolicy = .dropOldest
        let server = WebSocketServer(httpServer: HTTPServer(port: 0), configuration: configuration)

        server.onRequest { request in
            try request.accept()
        }

        // Called in each worker. The task ends with the worker: then its sleep throws.
        server.onWorkerStart { worker async throws in
            guard worker.slot == 0 else { return }
            var tick = 0
            while true {
                try await Task.sleep(for: .milliseconds(pause))
                tick += 1
                server.broadcastUTF("\(tick)")
            }
        }

        exit(try server.run(workers: 2) { server.logger.notice("\($0)") })
    }
}
