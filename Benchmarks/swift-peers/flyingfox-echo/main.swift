// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

// An echo server on FlyingFox, as its README shows one: messages in, messages out.

import FlyingFox
import FlyingSocks
import Foundation

struct Echo: WSMessageHandler {
    func makeMessages(for client: AsyncStream<WSMessage>) async throws -> AsyncStream<WSMessage> {
        client
    }
}

// Its frames hold 16 KiB unless told otherwise; the client here wants each echo in one frame.
let handler = MessageFrameWSHandler(handler: Echo(), frameSize: 1 << 20)
let server = HTTPServer(address: try sockaddr_in.inet(ip4: "127.0.0.1", port: 0), logger: .disabled)
await server.appendRoute("*", to: WebSocketHTTPHandler(handler: handler))
let running = Task { try await server.run() }
try await server.waitUntilListening()
guard case .ip4(_, let port)? = await server.listeningAddress else { exit(1) }
print("listening on ws://127.0.0.1:\(port)")
fflush(nil)
try await running.value
