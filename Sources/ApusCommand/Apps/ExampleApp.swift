// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Apus
import ApusCommandLine
import CApusSystem
import HTTPTypes

/// A page and a server that talk to each other by the subprotocol `example`.
enum ExampleApp {
    static func install(on server: WebSocketServer, httpServers: [HTTPServer]) {
        for httpServer in httpServers {
            httpServer.onRequest { request in
                guard request.path?.prefix(while: { $0 != "?" }) == "/" else {
                    return HTTPAnswer(status: .notFound, text: "nothing is here; try /\n")
                }
                return HTTPAnswer(
                    status: .ok,
                    contentType: "text/html; charset=utf-8",
                    text: ExamplePage.html
                )
            }
        }
        server.onRequest { request in
            let origin = request.origin ?? "none"
            guard request.requestedProtocols.contains(where: { $0.lowercased() == "example" })
            else {
                try request.reject(status: 400, reason: "the subprotocol is example\n")
                return
            }
            StandardOutput.write("\(date()) connection from origin: \(origin) .")
            let connection = try request.accept(protocol: "example", origin: request.origin)
            connection.sendUTF("Connection from \(origin)")
            connection.onMessage { message in
                if let text = message.utf8Data {
                    connection.sendUTF("Server accepted: \(text)")
                }
            }
            connection.onClose { _, _ in
                StandardOutput.write("\(connection.remoteAddress) disconnected.")
            }
        }
    }

    /// The local time, as JavaScript prints a Date.
    private static func date() -> String {
        unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { text in
            guard let start = text.baseAddress else { return "" }
            unsafe apus_clock_text(apus_clock_wall(), start, text.count)
            return unsafe String(cString: start)
        }
    }
}
