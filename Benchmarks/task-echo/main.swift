// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

// An echo whose connections are each read by a task: what `apus serve --app echo` does by a closure.

import Apus
import Glibc

var configuration = ServerConfiguration()
configuration.keepaliveInterval = nil
let server = WebSocketServer(httpServer: HTTPServer(port: 0), configuration: configuration)
server.onRequest { request async throws in
    let connection = try request.accept()
    for try await message in connection.messages {
        connection.send(message)
    }
}
try server.run(workers: 1) { listening in
    for (_, address) in listening.addresses { print("listening on ws://\(address)") }
    fflush(nil)
}
