// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Apus
import Glibc

/// Runs all cases of an Autobahn fuzzing server: a client that sends back whatever comes.
///
/// `swift run AutobahnClient URL AGENT [shared]`: it compresses with contexts, or, if told so, each
/// message for itself.
@main
enum AutobahnClient {
    static func main() {
        let arguments = CommandLine.arguments
        guard arguments.count == 3 || arguments.dropFirst(3) == ["shared"] else {
            print("usage: \(arguments[0]) URL AGENT [shared]")
            exit(64)
        }
        // Messages of 16 MiB that the server takes its time to read.
        var configuration = ServerConfiguration()
        configuration.maxSendQueue = 64 << 20
        do {
            let count = try WorkerActor.run(configuration: configuration) {
                try await runCases(
                    of: arguments[1],
                    as: arguments[2],
                    compressing: arguments.count == 3 ? .dedicated(windowBits: 15) : .shared
                )
            }
            print("ran \(count) cases")
        } catch {
            print("\(error)")
            exit(1)
        }
    }

    @WorkerActor
    private static func runCases(
        of server: String,
        as agent: String,
        compressing compression: Compression
    ) async throws -> Int {
        let client = WebSocketClient()
        client.configuration.maxReceivedFrameSize = 16 << 20
        client.configuration.maxReceivedMessageSize = 16 << 20
        client.configuration.maxFragments = 100_000
        client.configuration.compression = compression
        client.configuration.compression.threshold = 1

        var count = 0
        let counting = try await client.open("\(server)/getCaseCount")
        counting.onMessage { count = Int($0.utf8Data ?? "") ?? 0 }
        await end(of: counting)

        for index in 0..<count {
            let url = "\(server)/runCase?case=\(index + 1)&agent=\(agent)"
            let connection = try await client.open(url)
            connection.onMessage { [unowned connection] message in connection.send(message) }
            await end(of: connection)
        }
        return count
    }

    @WorkerActor
    private static func end(of connection: WebSocketConnection) async {
        await withCheckedContinuation { continuation in
            connection.onClose { _, _ in continuation.resume() }
        }
    }
}
