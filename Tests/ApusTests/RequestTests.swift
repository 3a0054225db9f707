// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Apus
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
}
