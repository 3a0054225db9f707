// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusCodec
import ApusProtocol
import Testing

@Suite struct Ends {
    private static let second: UInt64 = 1_000_000_000

    @Test func `server ends its side after the closing handshake, and waits for the peer's FIN`()
        throws
    {
        try inWorker {
            let world = World()
            world.serveEcho()
            let peer = try world.open()
            peer.endsAfterEnd = false
            peer.sendText("one")
            peer.sendClose(4321)
            try world.run { peer.sawEnd }
            #expect(peer.messages == [Array("one".utf8)])
            #expect(peer.closeCode == 4321)
            try world.run(milliseconds: 1000)
            #expect(world.ring.sockets.count == 1)
            peer.end()
            try world.run { world.ring.sockets.isEmpty }
            #expect(world.driver.counters.closeTimeouts == 0)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test(arguments: [true, false])
    func `Close that crosses ours loses nothing of what was sent before`(isRead: Bool) throws {
        try inWorker {
            let world = World()
            var outcome: CloseCode?
            world.server.onRequest { request in
                let connection = try request.accept()
                connection.onClose { code, _ in outcome = code }
                connection.onMessage { [unowned connection] _ in
                    connection.sendBytes(Array(repeating: 7, count: 3000))
                    connection.close()
                }
            }
            let peer = try world.open()
            peer.socket.outboundByteCountMax = 1000
            peer.isReading = isRead
            peer.sendText("the result, please")
            peer.sendClose(4321)
            try world.run(milliseconds: 1)
            peer.isReading = true
            try world.run { world.ring.sockets.isEmpty }
            #expect(peer.messages.map(\.count) == [3000])
            #expect(peer.closeCode == 1000)
            #expect(outcome?.rawValue == 4321)
            #expect(!peer.sawReset)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `peer that keeps its side open is dropped at the close timeout`() throws {
        try inWorker {
            let world = World()
            world.serveEcho()
            let peer = try world.open()
            peer.endsAfterEnd = false
            peer.sendClose()
            try world.run { peer.sawEnd }
            let start = world.ring.now
            try world.run { world.ring.sockets.isEmpty }
            #expect(world.ring.now - start == 5 * Self.second)
            #expect(world.driver.counters.closeTimeouts == 1)
            world.expectIdle()
        }
    }

    @Test func `peer that does not answer a Close is dropped at the close timeout`() throws {
        try inWorker {
            let world = World()
            var outcome: CloseCode?
            world.server.onRequest { request in
                let connection = try request.accept()
                connection.onClose { code, _ in outcome = code }
                connection.onMessage { [unowned connection] _ in connection.close() }
            }
            let peer = try world.open()
            peer.answersClose = false
            peer.sendText("close, please")
            try world.run { peer.closeCode != nil }
            let start = world.ring.now
            // It goes on sending, which prolongs nothing.
            for delay in 1...100 as ClosedRange<UInt64> {
                world.ring.after(delay * Self.second / 10) { peer.sendText("more") }
            }
            try world.run { world.ring.sockets.isEmpty }
            #expect(world.ring.now - start == 5 * Self.second)
            #expect(outcome == .abnormalClosure)
            #expect(world.driver.counters.messagesReceived == 1)
            world.expectIdle()
        }
    }

    @Test func `unfinished request gets 408 at the deadline`() throws {
        try inWorker {
            let world = World()
            world.serveEcho()
            let peer = world.connect()
            peer.write("GET / HTTP/1.1\r\n".utf8)
            // A byte now and then wins nothing.
            for delay in 1...20 as ClosedRange<UInt64> {
                world.ring.after(delay * Self.second) { peer.write("a".utf8) }
            }
            let start = world.ring.now
            try world.run { peer.isOver }
            #expect(world.ring.now - start == 10 * Self.second)
            #expect(peer.status == 408)
            #expect(world.driver.counters.handshakesTimedOut == 1)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `undecided request gets 503 at the deadline, and is no longer pending`() throws {
        try inWorker {
            let world = World()
            var kept: WebSocketRequest?
            world.server.onRequest { kept = $0 }
            let peer = world.connect()
            peer.requestUpgrade()
            let start = world.ring.now
            try world.run { peer.isOver }
            #expect(world.ring.now - start == 10 * Self.second)
            #expect(peer.status == 503)
            #expect(kept?.isPending == false)
            #expect(throws: WebSocketError.clientGone) { try kept?.accept() }
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `drain closes all with 1001 and cancels the accepts`() throws {
        try inWorker {
            let world = World()
            var codes: [CloseCode] = []
            world.server.onRequest { request in
                try request.accept().onClose { code, _ in codes.append(code) }
            }
            let peers = try (0..<20).map { _ in try world.open() }
            try world.drain()
            #expect(peers.allSatisfy { $0.closeCode == 1001 && $0.sawEnd && !$0.sawReset })
            #expect(codes == Array(repeating: .goingAway, count: 20))
            #expect(world.ring.accepts.isEmpty)
            #expect(world.driver.drain?.cutCount == 0)
            world.expectIdle()
        }
    }

    @Test func `drain answers requests that wait with 503`() throws {
        try inWorker {
            let world = World()
            var kept: WebSocketRequest?
            world.server.onRequest { kept = $0 }
            let undecided = world.connect()
            undecided.requestUpgrade()
            let unfinished = world.connect()
            unfinished.write("GET / HTTP/1.1\r\n".utf8)
            try world.run { kept != nil }
            try world.run(milliseconds: 1)
            try world.drain()
            #expect(undecided.status == 503)
            #expect(unfinished.status == 503)
            #expect(kept?.isPending == false)
            world.expectIdle()
        }
    }

    @Test func `drain cuts at its deadline what has not closed`() throws {
        try inWorker {
            let world = World { $0.drainTimeout = .seconds(2) }
            world.serveEcho()
            let good = try world.open()
            let bad = try world.open()
            bad.answersClose = false
            let start = world.ring.now
            try world.drain()
            #expect(world.ring.now - start == 2 * Self.second)
            #expect(world.driver.drain?.cutCount == 1)
            #expect(good.closeCode == 1001 && bad.closeCode == 1001)
            world.expectIdle()
        }
    }

    @Test(arguments: 1...10 as ClosedRange<UInt64>)
    func `connection that is accepted while draining gets 503`(seed: UInt64) throws {
        try inWorker {
            let world = World(seed: seed, faults: Faults(untrueCancels: 100))
            world.serveEcho()
            // Keeps the worker draining for a while.
            let open = try world.open()
            world.driver.beginDrain()
            let late = world.connect()
            late.requestUpgrade()
            try world.run { world.driver.isDrained }
            #expect(late.status == 503)
            #expect(open.closeCode == 1001)
            world.expectIdle()
        }
    }

    @Test func `connection over the limit gets 503 with Retry-After, the others stay`() throws {
        try inWorker {
            let world = World { $0.maxConnections = 2 }
            world.serveEcho()
            let first = try world.open()
            let second = try world.open()
            let third = world.connect()
            third.requestUpgrade()
            try world.run { third.isOver }
            #expect(third.status == 503)
            #expect(third.head?.contains("\r\nRetry-After: 1\r\n") == true)
            first.sendText("still here")
            try world.run { first.messages.count == 1 }
            second.sendClose()
            try world.run { second.isOver }
            try world.run(milliseconds: 1)
            let fourth = try world.open()
            #expect(fourth.isOpen)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `flood over the limit holds as many descriptors again, and no more`() throws {
        try inWorker {
            let world = World { $0.maxConnections = 2 }
            world.serveEcho()
            let inside = [try world.open(), try world.open()]
            let outside = (0..<10).map { _ in world.connect() }
            for peer in outside { peer.requestUpgrade() }
            var socketCountMax = 0
            try world.run {
                socketCountMax = max(socketCountMax, world.ring.sockets.count)
                return outside.allSatisfy(\.isOver)
            }
            #expect(socketCountMax <= 4)
            #expect(outside.allSatisfy { [nil, 503].contains($0.status) })
            #expect(inside.allSatisfy { $0.isOpen })
            #expect(world.driver.counters.connectionsRefused == 10)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `peer that half-closes is told as 1006, and its descriptor is closed`() throws {
        try inWorker {
            let world = World()
            var code: CloseCode?
            world.server.onRequest { try $0.accept().onClose { closeCode, _ in code = closeCode } }
            let peer = try world.open()
            peer.end()
            try world.run { world.ring.sockets.isEmpty }
            #expect(code == .abnormalClosure)
            world.expectIdle()
        }
    }

    @Test func `completion of a generation that is gone is dropped and counted`() throws {
        try inWorker {
            let world = World(faults: Faults(lateCompletions: 100))
            world.serveEcho()
            for _ in 0..<5 {
                let peer = try world.open()
                peer.sendClose()
                try world.run { peer.isOver }
                // Its successor has the same slot and descriptor.
                let next = try world.open()
                try world.run(milliseconds: 10)
                next.sendText("mine")
                try world.run { next.messages.count == 1 }
                #expect(next.messages == [Array("mine".utf8)])
                next.sendClose()
                try world.run { next.isOver }
            }
            try world.drain()
            #expect(world.driver.counters.staleCompletions >= 5)
            world.expectIdle()
        }
    }
}

@Suite struct Keepalive {
    private static let second: UInt64 = 1_000_000_000

    @Test func `silent peer is pinged, and stays if it answers`() throws {
        try inWorker {
            let world = World()
            world.serveEcho()
            let peer = try world.open()
            try world.run(milliseconds: 100_000)
            #expect(peer.frames.map(\.opcode) == [9, 9, 9, 9])
            #expect(world.server.connections.count == 1)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `peer that answers nothing is dropped after the grace period`() throws {
        try inWorker {
            let world = World()
            var code: CloseCode?
            world.server.onRequest { try $0.accept().onClose { closeCode, _ in code = closeCode } }
            let peer = try world.open()
            peer.answersPings = false
            let start = world.ring.now
            try world.run { world.ring.sockets.isEmpty }
            #expect(world.ring.now - start == 30 * Self.second)
            #expect(code == .abnormalClosure)
            #expect(world.driver.counters.keepaliveTimeouts == 1)
            world.expectIdle()
        }
    }
}
