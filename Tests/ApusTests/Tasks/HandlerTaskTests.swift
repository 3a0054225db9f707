// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusCodec
import ApusProtocol
import ApusTestSupport
import Testing

extension Tasks {
    @Suite struct `Asynchronous request handlers` {
        private struct Mistake: Error {}

        private struct Busy: HTTPStatusError {
            let status = 429
            let reason = "later"
        }

        @Test(arguments: 1...100 as ClosedRange<UInt64>)
        func `decide late, and lose nothing that came meanwhile`(seed: UInt64) throws {
            try inLoop {
                var faults = Faults.all
                faults.resets = 0
                faults.deafPeers = 0
                let world = World.withTasks(seed: seed, faults: faults)
                let gates = (Gate(), Gate())
                var texts: [String] = []
                world.server.onRequest { request async throws in
                    await gates.0.wait()
                    let connection = try request.accept()
                    await gates.1.wait()
                    if seed % 2 == 0 {
                        for try await message in connection.messages {
                            texts.append(message.utf8Data ?? "")
                        }
                    } else {
                        connection.onMessage { texts.append($0.utf8Data ?? "") }
                    }
                }
                var random = SplitMix(seed: seed)
                let peer = world.connect()
                peer.requestUpgrade()
                peer.sendText("early")
                world.ring.after(UInt64(random.upTo(100)) * 100_000) { inWorker { gates.0.open() } }
                try world.run { peer.isOpen }
                peer.sendText("after the answer")
                world.ring.after(UInt64(random.upTo(100)) * 100_000) { inWorker { gates.1.open() } }
                try world.run { gates.1.isOpen }
                peer.sendText("last")
                try world.run { texts.count == 3 }
                #expect(texts == ["early", "after the answer", "last"], "seed \(seed)")
                world.ring.faults.descriptorShortages = 0
                try world.drain()
                world.expectIdle()
            }
        }

        @Test func `are mounted on a router as others are`() throws {
            try inLoop {
                let world = World.withTasks()
                let router = WebSocketRouter(server: world.server)
                router.mount("/rooms/:room") { request async throws in
                    let connection = try request.accept()
                    for try await message in connection.messages {
                        connection.sendUTF(
                            "\(request.parameters["room"] ?? ""): \(message.utf8Data ?? "")"
                        )
                    }
                }
                let peer = world.connect()
                peer.requestUpgrade(target: "/rooms/blue")
                try world.run { peer.isOpen }
                peer.sendText("hello")
                try world.run { !peer.messages.isEmpty }
                #expect(peer.messages == [Array("blue: hello".utf8)])
            }
        }

        @Test func `are canceled when the client goes before the decision`() throws {
            try inLoop {
                let world = World.withTasks()
                let gate = Gate()
                var outcome: Result<Bool, any Error>?
                world.server.onRequest { request async throws in
                    await gate.wait()
                    outcome = .success(Task.isCancelled)
                    try request.accept()
                }
                let peer = world.connect()
                peer.requestUpgrade()
                try world.run { world.server.pendingRequests.count == 1 }
                peer.end()
                try world.run { world.server.pendingRequests.isEmpty }
                gate.open()
                try world.run { world.driver.taskCount == 0 }
                #expect(try outcome?.get() == true)
                #expect(world.driver.counters.handlerErrors == 0, "nobody made a mistake")
            }
        }

        @Test func `are canceled where the application turns all away`() throws {
            try inLoop {
                let world = World.withTasks()
                let gate = Gate()
                var wasCanceled = false
                world.server.onRequest { request async throws in
                    await gate.wait()
                    wasCanceled = Task.isCancelled
                    try request.accept()
                }
                let peer = world.connect()
                peer.requestUpgrade()
                try world.run { world.server.pendingRequests.count == 1 }
                world.server.closeAllConnections()
                try world.run { peer.status == 503 }
                gate.open()
                try world.run { world.driver.taskCount == 0 }
                #expect(wasCanceled)
                #expect(world.driver.counters.handlerErrors == 0, "nobody made a mistake")
            }
        }

        @Test func `are canceled when the connection is over`() throws {
            try inLoop {
                let world = World.withTasks()
                var ended = false
                world.server.onRequest { request async throws in
                    let connection = try request.accept()
                    defer { ended = true }
                    while true {
                        try Task.checkCancellation()
                        connection.sendUTF("tick")
                        let gate = Gate()
                        world.ring.after(1_000_000) { inWorker { gate.open() } }
                        await gate.wait()
                    }
                }
                let peer = try world.open()
                try world.run { peer.messages.count > 5 }
                peer.sendClose()
                try world.run { ended }
                try world.run { world.driver.taskCount == 0 }
                #expect(world.driver.counters.handlerErrors == 0)
                try world.drain()
                world.expectIdle()
            }
        }

        @Test func `reject by what they throw`() throws {
            try inLoop {
                let world = World.withTasks()
                let gate = Gate()
                world.server.onRequest { request async throws in
                    await gate.wait()
                    if request.path == "/busy" { throw Busy() }
                    throw Mistake()
                }
                let (busy, wrong) = (world.connect(), world.connect())
                busy.requestUpgrade(target: "/busy")
                wrong.requestUpgrade(target: "/")
                try world.run { world.server.pendingRequests.count == 2 }
                gate.open()
                try world.run { busy.sawEnd && wrong.sawEnd }
                #expect(busy.status == 429)
                #expect(wrong.status == 500)
                #expect(world.driver.counters.handlerErrors == 1)
            }
        }

        @Test func `close their connection with 1011 by what they throw, and no other`() throws {
            try inLoop {
                let world = World.withTasks()
                world.server.onRequest { request async throws in
                    let connection = try request.accept()
                    for try await message in connection.messages {
                        if message.utf8Data == "fail" { throw Mistake() }
                        connection.send(message)
                    }
                }
                let (one, other) = (try world.open(), try world.open())
                one.sendText("fail")
                other.sendText("go on")
                try world.run { one.sawEnd && other.messages.count == 1 }
                #expect(one.closeCode == 1011)
                #expect(world.driver.counters.handlerErrors == 1)
                #expect(world.server.connections.count == 1)
            }
        }

        @Test func `that never decide are answered at the deadline, and canceled`() throws {
            try inLoop {
                let world = World.withTasks { $0.handshakeTimeout = .milliseconds(500) }
                let gate = Gate()
                var wasCanceled = false
                world.server.onRequest { request async throws in
                    await gate.wait()
                    wasCanceled = Task.isCancelled
                    try request.accept()
                }
                let peer = world.connect()
                peer.requestUpgrade()
                try world.run { peer.sawEnd }
                #expect(peer.status == 503)
                gate.open()
                try world.run { world.driver.taskCount == 0 }
                #expect(wasCanceled)
            }
        }

        @Test func `that return without reading leave the connection open, to be read from`() throws
        {
            try inLoop {
                let world = World.withTasks()
                let gate = Gate()
                world.server.onRequest { request async throws in
                    try request.accept()
                    await gate.wait()
                }
                let peer = try world.open()
                peer.sendText("for nobody")
                peer.send(9, [7])
                try world.run(milliseconds: 20)
                gate.open()
                try world.run { peer.frames.contains { $0.opcode == 10 } }
                peer.sendClose(1001)
                try world.run { peer.sawEnd }
                #expect(peer.closeCode == 1001)
                try world.drain()
                world.expectIdle()
            }
        }

        @Test func `are waited for by a worker that drains`() throws {
            try inLoop {
                let world = World.withTasks()
                let gate = Gate()
                var saved = false
                world.server.onRequest { request async throws in
                    let connection = try request.accept()
                    for try await _ in connection.messages {}
                    await gate.wait()
                    saved = true
                }
                _ = try world.open()
                world.driver.beginDrain()
                try world.run(milliseconds: 100)
                #expect(!world.driver.isDrained)
                gate.open()
                try world.run { world.driver.isDrained }
                #expect(saved)
                world.expectIdle()
            }
        }

        @Test func `are not waited for beyond the drain timeout`() throws {
            try inLoop {
                let world = World.withTasks { $0.drainTimeout = .seconds(1) }
                let gate = Gate()
                world.server.onRequest { request async throws in
                    try request.accept()
                    await gate.wait()
                }
                _ = try world.open()
                try world.drain()
                #expect(world.driver.taskCount == 1)
                gate.open()
                try world.run { world.driver.taskCount == 0 }
            }
        }

        @Test func `that are over keep no messages of what is accepted later`() throws {
            try inLoop {
                let world = World.withTasks()
                var waiting: WebSocketRequest?
                world.server.onRequest { request async throws in waiting = request }
                let peer = world.connect()
                peer.requestUpgrade()
                try world.run { waiting != nil && world.driver.taskCount == 0 }
                try waiting?.accept()
                for _ in 0..<100 { peer.send(2, .init(repeating: 7, count: 10_000)) }
                peer.sendClose(1001)
                try world.run { peer.sawEnd }
                #expect(peer.closeCode == 1001)
                try world.drain()
                world.expectIdle()
            }
        }
    }
}
