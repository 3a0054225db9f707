// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusCodec
import ApusProtocol
import HTTPTypes
import Testing

/// Those with a number: what WebSocket-Node lacks, by our list of its defects.
@Suite struct ShutDown {
    private static let second: UInt64 = 1_000_000_000

    @Test func `7: every connection gets 1001, every request 503, and the supervisor is asked`()
        throws
    {
        try inWorker {
            let world = World()
            var codes: [CloseCode] = []
            var kept: WebSocketRequest?
            world.server.onRequest { request in
                guard request.path == "/chat" else {
                    kept = request
                    return
                }
                try request.accept().onClose { code, _ in codes.append(code) }
            }
            var askCount = 0
            world.driver.endAll = { askCount += 1 }
            let peers = try (0..<5).map { _ in try world.open() }
            let pending = world.connect()
            pending.requestUpgrade(target: "/later")
            try world.run { kept != nil }
            var cutCount: Int?
            world.server.shutDown { cutCount = $0 }
            #expect(askCount == 1)
            try world.run { world.driver.isDrained }
            #expect(cutCount == nil)
            try world.runToEnd()
            #expect(cutCount == 0)
            #expect(peers.allSatisfy { $0.closeCode == 1001 && !$0.sawReset })
            #expect(codes == Array(repeating: .goingAway, count: 5))
            #expect(pending.status == 503)
            #expect(kept?.isPending == false)
            #expect(world.ring.accepts.isEmpty)
            world.expectIdle()
        }
    }

    @Test(arguments: [1, 2, 100] as [UInt64])
    func `7: what is open at the deadline is cut and counted`(seconds: UInt64) throws {
        try inWorker {
            let world = World { configuration in
                configuration.drainTimeout = .seconds(2)
                configuration.closeTimeout = .seconds(60)
            }
            world.serveEcho()
            let good = try world.open()
            let silent = [try world.open(), try world.open()]
            for peer in silent { peer.answersClose = false }
            var cutCount: Int?
            let start = world.ring.now
            world.server.shutDown(within: .seconds(seconds)) { cutCount = $0 }
            try world.runToEnd()
            #expect(world.ring.now - start == min(seconds, 2) * Self.second)
            #expect(cutCount == 2)
            #expect(good.closeCode == 1001 && !good.sawReset)
            world.expectIdle()
        }
    }

    @Test func `handler ends the server it runs in, and finishes first`() throws {
        try inWorker {
            let world = World()
            let server = world.server
            var cutCount: Int?
            server.onRequest { request in
                let connection = try request.accept()
                connection.onMessage { [unowned connection] _ in
                    server.shutDown { cutCount = $0 }
                    #expect(connection.sendUTF("bye") != .closed)
                }
            }
            let peers = [try world.open(), try world.open()]
            peers[0].sendText("stop")
            try world.runToEnd()
            #expect(cutCount == 0)
            #expect(peers[0].messages == [Array("bye".utf8)])
            #expect(peers.map(\.closeCode) == [1001, 1001])
            world.expectIdle()
        }
    }

    @Test func `request's handler ends the server, and its own decision still counts`() throws {
        try inWorker {
            let world = World()
            let server = world.server
            var isTold = false
            server.onRequest { request in
                server.shutDown { _ in isTold = true }
                try request.accept()
            }
            let peer = world.connect()
            peer.requestUpgrade()
            try world.runToEnd()
            #expect(isTold)
            #expect(peer.status == 101 && peer.closeCode == 1001)
            #expect(world.driver.counters.handlerErrors == 0)
            world.expectIdle()
        }
    }

    @Test func `page asks for the end and gets its answer`() throws {
        try inWorker {
            let world = World()
            let server = world.server
            world.http.onRequest { _ in
                server.shutDown()
                return HTTPAnswer(status: .ok, text: "ending")
            }
            let peer = world.connect()
            peer.write("GET /stop HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".utf8)
            try world.runToEnd()
            #expect(peer.status == 200)
            #expect(peer.body == Array("ending".utf8))
            world.expectIdle()
        }
    }

    @Test func `second call adds a completion, asks nobody, and only shortens the time`() throws {
        try inWorker {
            let world = World { $0.closeTimeout = .seconds(60) }
            world.serveEcho()
            let peer = try world.open()
            peer.answersClose = false
            var askCount = 0
            world.driver.endAll = { askCount += 1 }
            var told: [String] = []
            let server = world.server
            let start = world.ring.now
            server.shutDown(within: .seconds(5)) { told.append("first \($0)") }
            try world.run(milliseconds: 1000)
            server.shutDown(within: .seconds(6)) { told.append("second \($0)") }
            server.shutDown(within: .seconds(3)) { count in
                told.append("third \(count)")
                server.shutDown { told.append("fourth \($0)") }
            }
            // As the supervisor's signal does.
            world.driver.beginDrain()
            try world.runToEnd()
            #expect(world.ring.now - start == 4 * Self.second)
            #expect(told == ["first 1", "second 1", "third 1", "fourth 1"])
            #expect(askCount == 1)
            world.expectIdle()
        }
    }

    @Test func `worker that a signal drains is asked for nothing more, but tells`() throws {
        try inWorker {
            let world = World()
            world.serveEcho()
            let peer = try world.open()
            var askCount = 0
            world.driver.endAll = { askCount += 1 }
            world.driver.beginDrain()
            var cutCount: Int?
            world.server.shutDown { cutCount = $0 }
            try world.runToEnd()
            #expect(askCount == 0)
            #expect(cutCount == 0)
            #expect(peer.closeCode == 1001)
            world.expectIdle()
        }
    }

    @Test func `connection that comes meanwhile gets 503`() throws {
        try inWorker {
            let world = World(seed: 3, faults: Faults(untrueCancels: 100))
            world.serveEcho()
            let open = try world.open()
            world.server.shutDown()
            let late = world.connect()
            late.requestUpgrade()
            try world.runToEnd()
            #expect(late.status == 503)
            #expect(open.closeCode == 1001)
            world.expectIdle()
        }
    }

    @Test func `server without a worker has nothing to end`() {
        inWorker {
            var cutCount: Int?
            WebSocketServer(httpServers: []).shutDown { cutCount = $0 }
            #expect(cutCount == 0)
        }
    }
}
