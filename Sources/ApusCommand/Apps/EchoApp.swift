// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Apus

/// Any path, any origin, the first offered subprotocol; every message comes back with its type.
enum EchoApp {
    static func install(on server: WebSocketServer) {
        server.onRequest { request in
            let connection = try request.accept(protocol: request.requestedProtocols.first)
            connection.onMessage { message in
                connection.send(message)
            }
        }
    }
}
