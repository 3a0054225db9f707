// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusProtocol
import Testing

extension Tasks {
    @Suite struct `Tasks that end the server` {
        @Test(arguments: [true, false])
        func `go on when all is closed, and are not waited for`(
            answers: Bool
        ) throws {
            try inLoop {
                let world = World.withTasks { $0.closeTimeout = .seconds(60) }
                let server = world.server
                var cutCounts: [Int] = []
                server.onRequest { request async throws in
                    let connection = try request.accept()
                    for try await message in connection.messages where message.utf8Data == "stop" {
                        cutCounts.append(await server.shutDown(within: .seconds(3)))
                        cutCounts.append(await server.shutDown())
                    }
                }
                let peers = [try world.open(), try world.open()]
                peers[1].answersClose = answers
                let start = world.ring.now
                peers[0].sendText("stop")
                try world.runToEnd()
                #expect(cutCounts == (answers ? [0, 0] : [1, 1]))
                let seconds = (world.ring.now - start) / 1_000_000_000
                #expect(seconds == (answers ? 0 : 3))
                #expect(peers.map(\.closeCode) == [1001, 1001])
                world.expectIdle()
            }
        }

        @Test func `leave those of handlers their time, where they are none`() throws {
            try inLoop {
                let world = World.withTasks()
                let gate = Gate()
                var (wasSaved, cutCount): (Bool, Int?) = (false, nil)
                world.server.onRequest { request async throws in
                    let connection = try request.accept()
                    for try await _ in connection.messages {}
                    await gate.wait()
                    wasSaved = true
                }
                _ = try world.open()
                let server = world.server
                Task { @WorkerActor in cutCount = await server.shutDown() }
                world.ring.after(1_000_000_000) { inWorker { gate.open() } }
                try world.runToEnd()
                #expect(wasSaved)
                #expect(cutCount == 0)
                world.expectIdle()
            }
        }
    }
}
