// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Apus

/// Any path, any origin, the first offered subprotocol; every message goes to every connection of
/// all workers, with its type, and so to its sender as well.
enum BroadcastApp {
    static func install(on server: WebSocketServer) {
        server.onRequest { [unowned server] request in
            let connection = try request.accept(protocol: request.requestedProtocols.first)
            connection.onMessage { message in
                server.broadcast(message)
            }
        }
    }
}
