// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Apus
import ApusProtocol
import Glibc
import Logging

/// An echo server that ends itself, with all of its workers, when somebody sends the text `stop`.
///
/// Clients see a Close with 1001 and may connect elsewhere. Those that do not answer it are cut
/// after two seconds.
///
/// `swift run GracefulEnd`
@main
enum GracefulEnd {
    static func main() throws {
        LoggingSystem.bootstrap(StreamLogHandler.standardOutput)
        let server = WebSocketServer(httpServer: HTTPServer(port: 0))
        server.onRequest { request in
            let connection = try request.accept()
            connection.onMessage { message in
                guard message.utf8Data == "stop" else {
                    connection.send(message)
                    return
                }
                Task { @WorkerActor in
                    let count = await server.shutDown(within: .seconds(2))
                    server.logger.notice("connections cut: \(count)")
                }
            }
        }
        exit(try server.run(workers: 2) { server.logger.notice("\($0)") })
    }
}
