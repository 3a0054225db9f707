// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Apus
import ApusProtocol
import Glibc
import Logging

/// Lets in whoever has the cookie of a session, which takes a while to find out, and says back what
/// they say.
///
/// Shows a handler that waits: for the lookup before it decides, for messages afterwards. It is one
/// task, and whatever it waits for ends when its client goes away.
///
/// `swift run SignIn`, then connect with `Cookie: session=1815`.
@main
enum SignIn {
    static func main() throws {
        LoggingSystem.bootstrap(StreamLogHandler.standardOutput)
        let server = WebSocketServer(httpServer: HTTPServer(port: 0))

        server.onRequest { request async throws in
            guard let session = request.cookies.first(where: { $0.name == "session" })?.value else {
                return try request.reject(status: 401, reason: "sign in first")
            }
            guard let user = try await Directory.shared.user(of: session) else {
                return try request.reject(status: 403, reason: "this session is over")
            }
            let connection = try request.accept()
            defer { server.logger.notice("\(user) has left") }
            connection.sendUTF("hello \(user)")
            for try await message in connection.messages {
                connection.send(message)
            }
        }

        exit(try server.run(workers: 2) { server.logger.notice("\($0)") })
    }
}

/// Stands for a database: an actor of its own, off the loop, whose answers take time.
actor Directory {
    static let shared = Directory()

    private let users = ["1815": "Ada", "1906": "Grace"]
    private let logger = Logger(label: "directory")

    /// Who has that session; nil for nobody.
    func user(of session: String) async throws -> String? {
        logger.notice("looking up \(session)")
        do {
            try await Task.sleep(for: session == "slow" ? .seconds(3600) : .milliseconds(20))
        } catch {
            // The client has gone: nobody wants to know any more.
            logger.notice("gave up on \(session)")
            throw error
        }
        return users[session]
    }
}
