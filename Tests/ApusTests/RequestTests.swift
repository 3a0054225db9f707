// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusProtocol
import Testing

@Suite struct Requests {
    @Test func `deferred request gets frames that came with it, in order`() throws {
        try inWorker {
            let world = World()
            var kept: WebSocketRequest?
            world.server.onRequest { kept = $0 }
            let peer = world.connect()
            peer.requestUpgrade()
            peer.sendText("one")
            peer.sendText("two")
            try world.run(milliseconds: 10)
            peer.sendText("three")
            try world.run(milliseconds: 10)
            #expect(peer.status == nil)
            var received: [String] = []
            let connection = try #require(kept).accept()
            connection.onMessage { received.append($0.utf8Data ?? "") }
            try world.run(milliseconds: 10)
            #expect(peer.status == 101)
            #expect(received == ["one", "two", "three"])
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `request accepted in the batch that brought it keeps the order of its frames`()
        throws
    {
        try inWorker {
            let world = World()
            var kept: WebSocketRequest?
            var received: [String] = []
            var helper: WebSocketConnection?
            world.server.onRequest { request in
                if helper == nil { helper = try request.accept() } else { kept = request }
            }
            let first = world.connect()
            first.requestUpgrade()
            try world.run { helper != nil }
            helper?.onMessage { _ in
                let connection = try kept?.accept()
                connection?.onMessage { received.append($0.utf8Data ?? "") }
            }
            // The receive ends, and is armed again, before the helper's message is read: the
            // batch then brings request, helper's message and further frames.
            let peer = world.connect()
            try world.run { world.ring.sockets.count == 2 }
            world.ring.order = [peer.socket.descriptor, first.socket.descriptor]
            world.ring.bufferByteCount = 190
            peer.requestUpgrade()
            for number in 0..<40 { peer.sendText("\(number)") }
            first.sendText("go")
            try world.run(milliseconds: 10)
            #expect(received == (0..<40).map(String.init))
            try world.drain()
            world.expectIdle()
        }
    }

    private struct Mistake: Error {}

    @Test func `request whose handler throws is answered with 500, and no other`() throws {
        try inWorker {
            let world = World()
            world.server.onRequest { request in
                if request.requestedProtocols == ["bad"] { throw Mistake() }
                try request.accept()
            }
            let bad = world.connect()
            bad.requestUpgrade(fields: "Sec-WebSocket-Protocol: bad\r\n")
            let good = try world.open()
            try world.run { bad.isOver }
            #expect(bad.status == 500)
            #expect(good.isOpen)
            #expect(world.driver.counters.handlerErrors == 1)
            try world.drain()
            world.expectIdle()
        }
    }

    private struct PaymentRequired: HTTPStatusError {
        let status = 402
        let reason = "this costs"
    }

    @Test func `error with a status is the answer, and no handler error`() throws {
        try inWorker {
            let world = World()
            world.server.onRequest { _ in throw PaymentRequired() }
            let peer = world.connect()
            peer.requestUpgrade()
            try world.run { peer.isOver }
            #expect(peer.status == 402)
            #expect(world.driver.counters.handlerErrors == 0)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `handler that throws after it accepted closes with 1011`() throws {
        try inWorker {
            let world = World()
            world.server.onRequest { request in
                try request.accept()
                throw Mistake()
            }
            let peer = world.connect()
            peer.requestUpgrade()
            try world.run { peer.isOver }
            #expect(peer.status == 101)
            #expect(peer.closeCode == 1011)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `subprotocol that was not offered is an error, and 500`() throws {
        try inWorker {
            let world = World()
            var error: WebSocketError?
            world.server.onRequest { request in
                do throws(WebSocketError) {
                    try request.accept(protocol: "other")
                } catch let thrown {
                    error = thrown
                    #expect(request.isPending)
                    throw thrown
                }
            }
            let peer = world.connect()
            peer.requestUpgrade(fields: "Sec-WebSocket-Protocol: chat\r\n")
            try world.run { peer.isOver }
            #expect(peer.status == 500)
            guard case .invalidResponse = error else {
                Issue.record("\(String(describing: error))")
                return
            }
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `origin of any bytes can be sent back`() throws {
        try inWorker {
            let world = World()
            world.server.onRequest { try $0.accept(origin: $0.origin) }
            let peer = world.connect()
            peer.write("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n".utf8)
            peer.write("Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nOrigin: ".utf8)
            // Each becomes a replacement character of three bytes.
            peer.write(Array(repeating: 0xFF, count: 8000))
            peer.write("\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".utf8)
            try world.run { peer.head != nil }
            #expect(peer.status == 101)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `request cannot be decided twice`() throws {
        try inWorker {
            let world = World()
            world.server.onRequest { request in
                try request.accept()
                #expect(throws: WebSocketError.alreadyDecided) { try request.accept() }
                #expect(throws: WebSocketError.alreadyDecided) { try request.reject() }
            }
            let peer = try world.open()
            #expect(peer.isOpen)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `rejected request gets its status and reason`() throws {
        try inWorker {
            let world = World()
            world.server.onRequest { try $0.reject(status: 402, reason: "pay first") }
            let peer = world.connect()
            peer.requestUpgrade()
            try world.run { peer.isOver }
            #expect(peer.status == 402)
            #expect(peer.body == Array("pay first".utf8))
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `cookies are set, and one that is set twice leaves the request pending`() throws {
        try inWorker {
            let world = World()
            world.server.onRequest { request in
                let cookie = try SetCookie("a", "b", isHTTPOnly: true)
                #expect(throws: WebSocketError.self) {
                    try request.accept(cookies: [cookie, cookie])
                }
                try request.accept(cookies: [cookie, SetCookie("c", "", maxAge: 0)])
            }
            let peer = try world.open()
            #expect(
                peer.head?.contains(
                    "\r\nSet-Cookie: a=b; HttpOnly\r\nSet-Cookie: c=; Max-Age=0\r\n"
                )
                    == true
            )
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `request of a client that has gone cannot be accepted`() throws {
        try inWorker {
            let world = World()
            var kept: WebSocketRequest?
            world.server.onRequest { kept = $0 }
            let peer = world.connect()
            peer.requestUpgrade()
            // Both are there before the server stops to read.
            peer.end()
            try world.run { world.ring.sockets.isEmpty && kept != nil }
            #expect(kept?.isPending == false)
            #expect(throws: WebSocketError.clientGone) { try kept?.accept() }
            try world.drain()
            world.expectIdle()
        }
    }
}
