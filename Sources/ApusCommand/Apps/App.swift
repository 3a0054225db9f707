// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Apus
import ArgumentParser

/// The applications that `apus serve --app` offers.
enum App: String, CaseIterable, ExpressibleByArgument {
    case example
    case echo
    case broadcast

    func install(on server: WebSocketServer, httpServers: [HTTPServer]) {
        switch self {
        case .example: ExampleApp.install(on: server, httpServers: httpServers)
        case .echo: EchoApp.install(on: server)
        case .broadcast: BroadcastApp.install(on: server)
        }
    }
}
