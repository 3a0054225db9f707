// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusCodec
import Testing

@Suite struct `Late decisions` {
    /// A world whose requests wait, and what they hear.
    @WorkerActor
    private final class Queue {
        let world: World
        var requests: [WebSocketRequest] = []
        var goneCount = 0

        init(_ configure: (inout ServerConfiguration) -> Void = { _ in }) {
            world = World(configure: configure)
            world.server.onRequest { [unowned self] request in
                #expect(world.server.pendingRequests.contains { $0 === request })
                requests.append(request)
                request.onClientGone { [unowned self] in
                    #expect(!request.isPending)
                    #expect(throws: WebSocketError.clientGone) { try request.accept() }
                    goneCount += 1
                }
            }
        }

        /// A peer whose request waits.
        func ask() throws -> VirtualPeer {
            let count = requests.count
            let peer = world.connect()
            peer.requestUpgrade()
            try world.run { requests.count > count }
            try world.run(milliseconds: 10)
            return peer
        }

        func drain(goneCount expected: Int) throws {
            try world.drain()
            world.expectIdle()
            #expect(goneCount == expected)
        }
    }

    @Test func `client that ends is gone at once`() throws {
        try inWorker {
            let queue = Queue()
            let peer = try queue.ask()
            #expect(queue.world.server.pendingRequests.count == 1)
            peer.end()
            let start = queue.world.ring.now
            try queue.world.run { queue.goneCount == 1 }
            #expect(queue.world.ring.now - start < 1_000_000)
            #expect(queue.world.server.pendingRequests.isEmpty)
            try queue.requests[0].reject()
            try queue.drain(goneCount: 1)
        }
    }

    @Test func `client that resets is gone at once`() throws {
        try inWorker {
            let queue = Queue()
            let peer = try queue.ask()
            peer.reset()
            try queue.world.run { queue.goneCount == 1 }
            #expect(queue.world.driver.counters.handshakesTimedOut == 0)
            try queue.drain(goneCount: 1)
        }
    }

    @Test func `client that waits too long gets 503 and counts as gone`() throws {
        try inWorker {
            let queue = Queue()
            let peer = try queue.ask()
            try queue.world.run { peer.isOver }
            #expect(peer.status == 503)
            #expect(queue.goneCount == 1)
            #expect(queue.world.driver.counters.handshakesTimedOut == 1)
            #expect(queue.world.driver.counters.handshakesRefused == 1)
            try queue.drain(goneCount: 1)
        }
    }

    @Test func `clients of a worker that ends are gone`() throws {
        try inWorker {
            let queue = Queue()
            let peers = [try queue.ask(), try queue.ask()]
            try queue.drain(goneCount: 2)
            #expect(peers.map(\.status) == [503, 503])
        }
    }

    @Test func `request that was decided hears nothing`() throws {
        try inWorker {
            let queue = Queue()
            let accepted = try queue.ask()
            let rejected = try queue.ask()
            let connection = try queue.requests[0].accept()
            try queue.requests[1].reject()
            queue.requests[1].onClientGone { queue.goneCount += 1 }
            try queue.world.run { accepted.isOpen && rejected.isOver }
            connection.drop()
            try queue.world.run { accepted.isOver }
            try queue.drain(goneCount: 0)
        }
    }

    private struct Mistake: Error {}

    @Test func `request whose handler throws hears nothing`() throws {
        try inWorker {
            let world = World()
            var goneCount = 0
            world.server.onRequest { request in
                request.onClientGone { goneCount += 1 }
                throw Mistake()
            }
            let peer = world.connect()
            peer.requestUpgrade()
            try world.run { peer.isOver }
            #expect(peer.status == 500)
            #expect(goneCount == 0)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `who asks late is told at once, and what it throws is counted`() throws {
        try inWorker {
            let queue = Queue()
            try queue.ask().end()
            try queue.world.run { queue.goneCount == 1 }
            queue.requests[0].onClientGone { throw Mistake() }
            #expect(queue.world.driver.counters.handlerErrors == 1)
            _ = try queue.ask()
            queue.requests[1].onClientGone { throw Mistake() }
            queue.world.peers[1].reset()
            try queue.world.run { queue.world.driver.counters.handlerErrors == 2 }
            try queue.drain(goneCount: 1)
        }
    }

    @Test func `handler may decide others, and close all`() throws {
        try inWorker {
            let queue = Queue()
            let first = try queue.ask()
            let second = try queue.ask()
            let third = try queue.ask()
            queue.requests[0].onClientGone { [unowned queue] in
                try queue.requests[1].accept()
                queue.world.server.closeAllConnections()
            }
            first.end()
            try queue.world.run { second.isOver && third.isOver }
            #expect(second.status == 101)
            #expect(second.closeCode == 1000)
            #expect(third.status == 503)
            #expect(throws: WebSocketError.alreadyDecided) { try queue.requests[2].accept() }
            try queue.drain(goneCount: 0)
        }
    }

    @Test func `requests leave in any order`() throws {
        try inWorker {
            let queue = Queue()
            for _ in 0..<5 { _ = try queue.ask() }
            for index in [1, 4, 0, 3, 2] {
                try queue.requests[index].accept()
                let waiting = queue.requests.filter(\.isPending)
                #expect(waiting.count == queue.world.server.pendingRequests.count)
                for request in waiting {
                    #expect(queue.world.server.pendingRequests[request.index] === request)
                }
            }
            try queue.drain(goneCount: 0)
        }
    }

    @Test func `client that sends and sends is not read from until the decision`() throws {
        try inWorker {
            let queue = Queue()
            let peer = try queue.ask()
            let payload = [UInt8](repeating: 7, count: 10_000)
            for _ in 0..<100 { peer.send(2, payload) }
            try queue.world.run(milliseconds: 50)
            // A receive that is ended may bring what it has, but not a million bytes.
            #expect(peer.socket.inbound.count > 500_000)
            var count = 0
            try queue.requests[0].accept().onMessage { message in
                #expect(message.binaryData == payload)
                count += 1
            }
            try queue.world.run { count == 100 }
            try queue.drain(goneCount: 0)
        }
    }

    @Test func `frames that came before the client's end are read before it`() throws {
        try inWorker {
            let world = World()
            var late: WebSocketRequest?
            var events: [String] = []
            world.server.onRequest { request in
                guard request.path == "/chat" else {
                    late = request
                    return
                }
                try request.accept().onMessage { _ in
                    let connection = try late?.accept()
                    connection?.onMessage { events.append($0.utf8Data ?? "") }
                    connection?.onClose { code, _ in events.append("\(code.rawValue)") }
                }
            }
            let judge = try world.open()
            let peer = world.connect()
            peer.requestUpgrade(target: "/late")
            peer.sendText("early")
            try world.run { late != nil }
            try world.run(milliseconds: 1)
            // Accepted in the turn that brings its end.
            world.ring.order = [judge.socket.descriptor, peer.socket.descriptor]
            judge.sendText("accept it")
            peer.sendText("last")
            peer.end()
            try world.run { events.count >= 3 || world.ring.sockets.count == 1 }
            #expect(events == ["early", "last", "1006"])
            try world.drain()
            world.expectIdle()
        }
    }
}
