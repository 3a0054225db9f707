// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import Testing

extension Tasks {
    @Suite struct `Tasks that send` {
        @Test func `wait for a slow peer until it has read everything`() throws {
            try inLoop {
                let world = World.withTasks()
                var steps: [Int] = []
                world.server.onRequest { request async throws in
                    let connection = try request.accept()
                    try await connection.drained()
                    steps.append(connection.bufferedAmount)
                    connection.sendBytes(.init(repeating: 1, count: 100_000))
                    steps.append(connection.bufferedAmount)
                    try await connection.drained()
                    steps.append(connection.bufferedAmount)
                }
                let peer = world.connect()
                peer.socket.outboundByteCountMax = 10_000
                peer.requestUpgrade()
                try world.run { steps.count == 3 }
                #expect(steps[0] == 0)
                #expect(steps[1] > 0)
                #expect(steps[2] == 0)
                try world.run { peer.messages.first?.count == 100_000 }
                try world.drain()
                world.expectIdle()
            }
        }

        @Test func `go on where the connection was over before`() throws {
            try inLoop {
                let world = World.withTasks()
                var waiting: Task<Void, any Error>?
                var hasGoneOn = false
                world.server.onRequest { request throws in
                    let connection = try request.accept()
                    connection.sendBytes(.init(repeating: 1, count: 100_000))
                    connection.onClose { [unowned connection] _, _ in
                        #expect(connection.bufferedAmount > 0)
                        waiting = Task { @WorkerActor [connection] in
                            try await connection.drained()
                            hasGoneOn = true
                        }
                    }
                }
                let peer = world.connect()
                peer.socket.outboundByteCountMax = 10_000
                peer.isReading = false
                peer.requestUpgrade()
                peer.sendClose()
                try world.run { waiting != nil }
                try world.run(milliseconds: 20)
                #expect(hasGoneOn)
                peer.reset()
                try world.drain()
                world.expectIdle()
            }
        }

        @Test func `go on when it is gone, or when they are canceled`()
            throws
        {
            try inLoop {
                let world = World.withTasks()
                let gate = Gate()
                var ends: [String] = []
                var waiting: Task<Void, Never>?
                world.server.onRequest { request async throws in
                    let connection = try request.accept()
                    connection.sendBytes(.init(repeating: 1, count: 100_000))
                    waiting = Task { @WorkerActor in
                        do {
                            try await connection.drained()
                            ends.append("drained")
                        } catch {
                            ends.append("canceled")
                        }
                    }
                    await gate.wait()
                    do {
                        try await connection.drained()
                        ends.append("over")
                    } catch {
                        ends.append("canceled too")
                    }
                }
                let peer = world.connect()
                peer.socket.outboundByteCountMax = 10_000
                peer.isReading = false
                peer.requestUpgrade()
                try world.run { waiting != nil }
                try world.run(milliseconds: 20)
                waiting?.cancel()
                try world.run { ends == ["canceled"] }
                gate.open()
                try world.run(milliseconds: 20)
                peer.reset()
                try world.run { ends.count == 2 }
                #expect(world.server.connections.isEmpty)
                try world.drain()
                world.expectIdle()
            }
        }
    }
}
