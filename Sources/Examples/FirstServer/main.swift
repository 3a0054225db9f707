// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Apus

let http = HTTPServer(port: 3001)
let server = WebSocketServer(httpServer: http)

server.onRequest { request in
    print("connection from origin: \(request.origin ?? "none")")
    let connection = try request.accept(protocol: "example", origin: request.origin)
    connection.sendUTF("Connection from \(request.origin ?? "none")")
    connection.onMessage { message in
        if let text = message.utf8Data { connection.sendUTF("Server accepted: \(text)") }
    }
    connection.onClose { code, reason in
        print("\(connection.remoteAddress) disconnected.")
    }
}

try server.run(workers: 4)  // forks; returns in the supervisor after the drain
