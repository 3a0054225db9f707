// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusProtocol
import Testing

extension World {
    /// What a worker's process does before its first turn.
    fileprivate func start(slot: Int = 0, workerCount: Int = 1) throws {
        let start = WebSocketServer.WorkerStart(slot: slot, workerCount: workerCount)
        try server.startHandler?(start, driver)
    }
}

extension Tasks {
    @Suite struct `Tasks that begin with the worker` {
        private struct Mistake: Error {}

        @Test func `handler that does not wait knows its worker and may refuse`() throws {
            try inWorker {
                let world = World()
                world.server.onWorkerStart { worker in
                    #expect(worker.workerCount == 4)
                    guard worker.slot < 4 else { throw Mistake() }
                }
                try world.start(slot: 3, workerCount: 4)
                #expect(throws: Mistake.self) { try world.start(slot: 4, workerCount: 4) }
                // Whoever starts the worker tells of it.
                #expect(world.driver.counters.handlerErrors == 0)
            }
        }

        @Test func `task begins at once and goes on while connections are served`() throws {
            try inLoop {
                let world = World.withTasks()
                let server = world.server
                let gate = Gate()
                var hasBegun = false
                world.serveEcho()
                server.onWorkerStart { _ async throws in
                    hasBegun = true
                    await gate.wait()
                    server.broadcastUTF("tick")
                }
                try world.start()
                #expect(hasBegun)
                let peer = try world.open()
                peer.sendText("hello")
                try world.run { peer.messages.count == 1 }
                gate.open()
                try world.run { peer.messages.count == 2 }
                #expect(
                    peer.messages.map { String(decoding: $0, as: UTF8.self) } == ["hello", "tick"]
                )
                #expect(world.driver.taskCount == 0)
                try world.drain()
                world.expectIdle()
            }
        }

        @Test func `drain cancels the task and waits for its end`() throws {
            try inLoop {
                let world = World.withTasks()
                let gate = Gate()
                var wasCanceled = false
                var hasEnded = false
                world.server.onWorkerStart { _ async throws in
                    defer { hasEnded = true }
                    while !Task.isCancelled { await gate.wait() }
                    wasCanceled = true
                    try Task.checkCancellation()
                }
                try world.start()
                try world.run(milliseconds: 10)
                world.driver.beginDrain()
                #expect(!world.driver.isDrained)
                gate.open()
                try world.run { world.driver.isDrained }
                #expect(wasCanceled)
                #expect(hasEnded)
                // What it throws then is nobody's mistake.
                #expect(world.driver.counters.handlerErrors == 0)
                world.expectIdle()
            }
        }

        @Test func `task that does not end is cut at the deadline of the drain`() throws {
            try inLoop {
                let world = World.withTasks { $0.drainTimeout = .seconds(3) }
                let gate = Gate()
                world.server.onWorkerStart { _ async throws in await gate.wait() }
                try world.start()
                let start = world.ring.now
                try world.drain()
                #expect((world.ring.now - start) / 1_000_000_000 == 3)
                // It holds the loop that the tests share.
                gate.open()
                try world.run { world.driver.taskCount == 0 }
            }
        }

        @Test func `error of a task is counted and the worker serves on`() throws {
            try inLoop {
                let world = World.withTasks()
                world.serveEcho()
                world.server.onWorkerStart { _ async throws in throw Mistake() }
                try world.start()
                #expect(world.driver.counters.handlerErrors == 1)
                let peer = try world.open()
                peer.sendText("hello")
                try world.run { peer.messages.count == 1 }
                try world.drain()
                world.expectIdle()
            }
        }
    }
}
