// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Apus

let http = HTTPServer(port: 3001)
let server = WebSocketServer(httpServer: http)

server.onRequest { request async throws in
    let connection = try request.accept(protocol: "example", origin: request.origin)
    defer { print("\(connection.remoteAddress) disconnected.") }
    connection.sendUTF("Connection from \(request.origin ?? "none")")
    for try await message in connection.messages {
        if let text = message.utf8Data { connection.sendUTF("Server accepted: \(text)") }
    }
}

try server.run(workers: 4)  // forks; returns in the supervisor after the drain
