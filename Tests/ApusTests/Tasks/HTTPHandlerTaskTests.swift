// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusProtocol
import HTTPTypes
import Testing

@Suite struct `HTTP handlers that wait` {
    private static let second: UInt64 = 1_000_000_000

    private struct Mistake: Error {}

    /// What a request waits for.
    private final class Waiter {
        let spot = ParkingSpot()
        var error: (any Error)?
    }

    /// A world whose requests wait until the test lets them go on.
    @WorkerActor
    private final class Waiting {
        let world: World
        var paths: [String] = []
        var waiting: [Waiter] = []
        var canceledCount = 0

        init(_ configure: (inout ServerConfiguration) -> Void = { _ in }) {
            world = World.withTasks(configure: configure)
            world.http.onRequest(methods: [.get, .post]) { [unowned self] request in
                paths.append(request.path ?? "")
                guard request.path != "/now" else { return HTTPAnswer(status: .ok, text: "now") }
                try await wait()
                return HTTPAnswer(status: .ok, text: request.path ?? "")
            }
        }

        private func wait() async throws {
            try Task.checkCancellation()
            let waiter = Waiter()
            waiting.append(waiter)
            await withTaskCancellationHandler {
                await waiter.spot.park()
            } onCancel: {
                WorkerActor.assumeIsolated {
                    canceledCount += 1
                    resume(throwing: CancellationError())
                }
            }
            if let error = waiter.error { throw error }
        }

        /// The oldest of those that wait goes on, once the loop runs its task.
        func resume(throwing error: (any Error)? = nil) {
            let waiter = waiting.removeFirst()
            waiter.error = error
            waiter.spot.leave()
        }

        func run(
            sourceLocation: SourceLocation = #_sourceLocation,
            until condition: () -> Bool
        ) throws {
            try world.run(sourceLocation: sourceLocation, until: condition)
        }

        func ask(_ path: String = "/") throws -> VirtualPeer {
            let count = waiting.count
            let peer = world.connect()
            peer.write(ordinaryRequest(path))
            try run { waiting.count > count }
            return peer
        }

        /// Nobody is left, and no task.
        func drain() throws {
            #expect(waiting.isEmpty)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `answer later, and requests behind wait for their turn`() throws {
        try inLoop {
            let test = Waiting()
            let peer = try test.ask("/1")
            for path in ["/2", "/now", "/3"] { peer.write(ordinaryRequest(path)) }
            try test.world.run(milliseconds: 10)
            #expect(test.paths == ["/1"])
            #expect(peer.head == nil)
            test.resume()
            try test.run { peer.head != nil && test.waiting.count == 1 }
            #expect(peer.takeResponse()?.body == "/1")
            #expect(test.paths == ["/1", "/2"])
            test.resume()
            var bodies: [String] = []
            try test.run {
                while let response = peer.takeResponse() { bodies.append(response.body) }
                return test.waiting.count == 1
            }
            #expect(bodies == ["/2", "now"])
            test.resume()
            try test.run { peer.head != nil }
            #expect(peer.takeResponse()?.body == "/3")
            #expect(test.canceledCount == 0)
            try test.drain()
        }
    }

    @Test func `may be followed by a WebSocket whose frames were early`() throws {
        try inLoop {
            let test = Waiting()
            test.world.serveEcho()
            let peer = try test.ask()
            peer.requestUpgrade()
            peer.sendText("early")
            try test.world.run(milliseconds: 10)
            test.resume()
            try test.run { peer.head != nil }
            #expect(peer.takeResponse()?.body == "/")
            try test.run { peer.messages.count == 1 }
            try test.drain()
        }
    }

    @Test(arguments: [true, false])
    func `are canceled as soon as the client is gone`(resets: Bool) throws {
        try inLoop {
            let test = Waiting()
            let peer = try test.ask()
            let start = test.world.ring.now
            if resets { peer.reset() } else { peer.end() }
            try test.run { test.canceledCount == 1 && test.world.ring.sockets.isEmpty }
            #expect(test.world.ring.now - start < Self.second / 1_000)
            #expect(peer.head == nil)
            #expect(test.world.driver.counters.requestsAnswered == 0)
            #expect(test.world.driver.counters.handlerErrors == 0)
            try test.drain()
        }
    }

    @Test func `are canceled while answers before theirs still reach the client`() throws {
        try inLoop {
            let test = Waiting()
            let peer = test.world.connect()
            peer.isReading = false
            peer.socket.outboundByteCountMax = 50
            peer.write(ordinaryRequest("/now") + ordinaryRequest("/wait"))
            try test.run { test.waiting.count == 1 }
            try test.world.run(milliseconds: 1)
            peer.end()
            try test.run { test.canceledCount == 1 }
            peer.isReading = true
            try test.run { peer.isOver }
            #expect(peer.takeResponse()?.body == "now")
            #expect(peer.head == nil)
            try test.drain()
        }
    }

    @Test func `are canceled at the deadline, and the client gets 503`() throws {
        try inLoop {
            let test = Waiting()
            let peer = test.world.connect()
            peer.write(ordinaryRequest("/now"))
            try test.run { peer.head != nil }
            #expect(peer.takeResponse() != nil)
            try test.world.run(milliseconds: 3_000)
            let start = test.world.ring.now
            peer.write(ordinaryRequest("/late", method: "HEAD") + ordinaryRequest("/next"))
            try test.run { peer.isOver }
            #expect(test.world.ring.now - start == 10 * Self.second)
            #expect(peer.status == 503)
            #expect(peer.head?.contains("\r\nConnection: close\r\n") == true)
            #expect(peer.body.isEmpty)
            #expect(test.canceledCount == 1)
            #expect(test.world.driver.counters.requestsTimedOut == 1)
            #expect(test.paths == ["/now", "/late"])
            try test.drain()
        }
    }

    @Test func `may throw: 500, counted, and the next is served`() throws {
        try inLoop {
            let test = Waiting()
            let peer = try test.ask()
            test.resume(throwing: Mistake())
            try test.run { peer.status == 500 }
            #expect(test.world.driver.counters.handlerErrors == 1)
            #expect(peer.takeResponse() != nil)
            peer.write(ordinaryRequest("/now"))
            try test.run { peer.head != nil }
            #expect(peer.takeResponse()?.body == "now")
            try test.drain()
        }
    }

    @Test func `are heard when they throw after their client is gone`() throws {
        try inLoop {
            let world = World.withTasks()
            let gate = Gate()
            world.http.onRequest { _ in
                // It knows nothing of cancellation.
                await gate.wait()
                throw Mistake()
            }
            let peer = world.connect()
            peer.write(ordinaryRequest())
            try world.run { world.driver.taskCount == 1 }
            peer.end()
            try world.run { world.ring.sockets.isEmpty }
            gate.open()
            try world.run { world.driver.taskCount == 0 }
            #expect(world.driver.counters.handlerErrors == 1)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `still answer while the worker drains`() throws {
        try inLoop {
            let test = Waiting()
            let peer = try test.ask()
            test.world.driver.beginDrain()
            try test.world.run(milliseconds: 1_000)
            #expect(!peer.isOver && test.canceledCount == 0)
            test.resume()
            try test.run { test.world.driver.isDrained }
            #expect(peer.head?.contains("\r\nConnection: close\r\n") == true)
            #expect(peer.takeResponse()?.body == "/")
            #expect(test.world.driver.drain?.cutCount == 0)
            test.world.expectIdle()
        }
    }

    @Test func `are canceled when the drain's deadline cuts them`() throws {
        try inLoop {
            let test = Waiting {
                $0.drainTimeout = .seconds(2)
                $0.handshakeTimeout = .seconds(60)
            }
            _ = try test.ask()
            try test.world.drain()
            #expect(test.canceledCount == 1)
            #expect(test.world.driver.drain?.cutCount == 1)
            try test.drain()
        }
    }

    @Test func `keep no more than a little of a client that does not wait`() throws {
        try inLoop {
            let test = Waiting()
            let peer = try test.ask()
            for _ in 0..<8_000 { peer.write(ordinaryRequest("/now")) }
            try test.world.run(milliseconds: 50)
            #expect(peer.socket.inbound.count > 50_000)
            test.resume()
            try test.run { test.paths.count == 8_001 }
            try test.run { test.world.driver.counters.requestsAnswered == 8_001 }
            try test.drain()
        }
    }
}
