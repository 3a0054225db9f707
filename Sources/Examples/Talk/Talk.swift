// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Apus
import ApusCodec
import ApusProtocol
import Glibc

/// Sends messages to a server, prints as many answers, and how the connection ended; without a
/// message it only sees whether it can connect.
///
/// Shows a client that waits for what it needs, one after the other, in a program without a server.
///
/// `swift run Talk [--proxy URL | --unix-socket PATH] [--protocol NAME] URL [MESSAGE...]`
@main
enum Talk {
    static func main() {
        do {
            let wish = try Wish(CommandLine.arguments.dropFirst())
            try WorkerActor.run { try await talk(wish) }
        } catch {
            print("\(error)")
            exit(1)
        }
    }

    @WorkerActor
    private static func talk(_ wish: Wish) async throws {
        let client = WebSocketClient()
        client.configuration.route = wish.route
        let connection = try await client.open(wish.url, protocols: wish.protocols)
        print("connected", connection.protocol ?? "")
        var missing = wish.messages.count
        guard missing > 0 else { return }
        for message in wish.messages { connection.sendUTF(message) }
        // Ends when the connection does, and throws if that was no proper close.
        for try await message in connection.messages {
            print("received", message.utf8Data ?? "\(message.byteCount) bytes")
            missing -= 1
            if missing == 0 { connection.close() }
        }
        if let code = connection.closeReasonCode { print("closed", code.rawValue) }
    }

    /// What the command line asks for.
    private struct Wish {
        var route = ClientRoute.direct
        var protocols: [String] = []
        let url: String
        let messages: [String]

        init(_ arguments: ArraySlice<String>) throws {
            var rest = arguments
            func value() throws -> String {
                guard let value = rest.popFirst() else { throw Usage() }
                return value
            }
            while rest.first?.hasPrefix("--") == true {
                switch rest.removeFirst() {
                case "--proxy": route = .proxy(try HTTPProxy(try value()))
                case "--unix-socket": route = .unixSocket(path: try value())
                case "--protocol": protocols.append(try value())
                default: throw Usage()
                }
            }
            url = try value()
            messages = Array(rest)
        }
    }

    private struct Usage: Error, CustomStringConvertible {
        let description =
            "usage: Talk [--proxy URL | --unix-socket PATH] [--protocol NAME] URL [MESSAGE...]"
    }
}
