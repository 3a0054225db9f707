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

        @Test func `of the application do not count as handlers that have ended`() throws {
            try inLoop {
                let world = World.withTasks()
                let server = world.server
                let gate = Gate()
                var events: [String] = []
                server.onRequest { request async throws in
                    let connection = try request.accept()
                    for try await _ in connection.messages {}
                    world.ring.after(1_000_000) { WorkerActor.assumeIsolated { gate.open() } }
                    await gate.wait()
                    events.append("tidied up")
                }
                _ = try world.open()
                Task { @WorkerActor in
                    _ = await server.shutDown()
                    events.append("over")
                }
                try world.runToEnd()
                #expect(events == ["tidied up", "over"])
                world.expectIdle()
            }
        }

        @Test func `may be parts of handlers`() throws {
            try inLoop {
                let world = World.withTasks()
                let server = world.server
                var cutCount: Int?
                server.onRequest { request async throws in
                    try request.accept()
                    // A part that stays on the loop, as children do not.
                    let isOver = Gate()
                    Task { @WorkerActor in
                        cutCount = await server.shutDown()
                        isOver.open()
                    }
                    await isOver.wait()
                }
                let start = world.ring.now
                _ = try world.open()
                try world.runToEnd()
                #expect(world.ring.now - start < 1_000_000_000)
                // The handler itself goes on with a turn that a worker no longer has.
                try world.run { world.driver.taskCount == 0 }
                #expect(cutCount == 0)
                world.expectIdle()
            }
        }
    }
}
