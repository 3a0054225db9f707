// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusProtocol
import ApusTestSupport
import HTTPTypes
import Testing

@Suite struct `HTTP request bodies` {
    private static let second: UInt64 = 1_000_000_000

    /// Answers with the body's length, and tells how often it was asked.
    @WorkerActor
    private final class Counting {
        let world: World
        var bodies: [[UInt8]] = []

        init(_ configure: (inout ServerConfiguration) -> Void = { _ in }) {
            world = World(configure: configure)
            world.http.onRequest(methods: [.get, .post]) { [unowned self] request in
                bodies.append(request.body)
                return HTTPAnswer(status: .ok, text: "\(request.body.count)")
            }
        }

        func peer(_ fields: String) -> VirtualPeer {
            let peer = world.connect()
            peer.write(ordinaryRequest(method: "POST", fields: fields))
            return peer
        }

        /// The peer is told so, and its connection ends.
        func expectRefusal(_ peer: VirtualPeer, _ status: Int) throws {
            try world.run { peer.isOver }
            #expect(peer.status == status)
            #expect(peer.head?.contains("\r\nConnection: close\r\n") == true)
            #expect(peer.takeResponse() != nil && peer.head == nil)
            #expect(bodies.isEmpty)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `of the largest size are taken`() throws {
        try inWorker {
            let counting = Counting()
            var random = SplitMix(seed: 1)
            let body = random.bytes(1 << 20)
            let peer = counting.peer("Content-Length: \(body.count)\r\n")
            peer.write(body)
            try counting.world.run { peer.head != nil }
            #expect(peer.takeResponse()?.body == "1048576")
            #expect(counting.bodies == [body])
            try counting.world.drain()
            counting.world.expectIdle()
        }
    }

    @Test func `that are announced too large are refused before they come`() throws {
        try inWorker {
            let counting = Counting { $0.maxRequestBodySize = 10 }
            let peer = counting.peer("Content-Length: 11\r\nExpect: 100-continue\r\n")
            try counting.expectRefusal(peer, 413)
            #expect(counting.world.driver.counters.bodiesRefused == 1)
        }
    }

    @Test func `that grow too large are refused, and the rest is not read`() throws {
        try inWorker {
            let counting = Counting { $0.maxRequestBodySize = 10 }
            let peer = counting.peer("Transfer-Encoding: chunked\r\n")
            peer.write("5\r\nhello\r\n".utf8)
            try counting.world.run(milliseconds: 10)
            #expect(peer.head == nil)
            peer.write("6\r\nhello!\r\n0\r\n\r\n".utf8)
            try counting.expectRefusal(peer, 413)
        }
    }

    @Test func `that are malformed are refused`() throws {
        try inWorker {
            let counting = Counting()
            let peer = counting.peer("Transfer-Encoding: chunked\r\n")
            peer.write("5\r\nhello0\r\n\r\n".utf8)
            try counting.expectRefusal(peer, 400)
            #expect(counting.world.driver.counters.bodiesRefused == 1)
        }
    }

    @Test(.rfc9110("10.1.1")) func `are asked for where the client waits to be`() throws {
        try inWorker {
            let counting = Counting()
            let peer = counting.peer("Content-Length: 2\r\nExpect: 100-continue\r\n")
            try counting.world.run { peer.head != nil }
            #expect(peer.takeResponse()?.head == "HTTP/1.1 100 Continue\r\n\r\n")
            #expect(counting.bodies.isEmpty)
            peer.write("ab".utf8)
            try counting.world.run { peer.head != nil }
            #expect(peer.takeResponse()?.body == "2")
            try counting.world.drain()
            counting.world.expectIdle()
        }
    }

    @Test(arguments: [
        ("Content-Length: 2\r\n", "ab"), ("Content-Length: 0\r\n", ""), ("", ""),
    ])
    func `are not asked for where they are there, or none is to come`(
        fields: String,
        body: String
    ) throws {
        try inWorker {
            let counting = Counting()
            let peer = counting.world.connect()
            peer.write(
                ordinaryRequest(
                    method: "POST",
                    fields: fields + "Expect: 100-continue\r\n",
                    body: body
                )
            )
            try counting.world.run { peer.head != nil }
            #expect(peer.takeResponse()?.body == "\(body.count)")
            try counting.world.drain()
            counting.world.expectIdle()
        }
    }

    @Test func `are not asked for where the request is refused`() throws {
        try inWorker {
            let counting = Counting()
            let peer = counting.world.connect()
            let fields = "Content-Length: 2\r\nExpect: 100-continue\r\n"
            peer.write(ordinaryRequest(method: "PUT", fields: fields))
            try counting.expectRefusal(peer, 405)
        }
    }

    @Test func `that do not come in time get 408`() throws {
        try inWorker {
            let counting = Counting()
            let peer = counting.peer("Content-Length: 100\r\n")
            // A byte now and then wins nothing.
            for delay in 1...20 as ClosedRange<UInt64> {
                counting.world.ring.after(delay * Self.second) { peer.write("a".utf8) }
            }
            let start = counting.world.ring.now
            try counting.world.run { peer.isOver }
            #expect(counting.world.ring.now - start == 10 * Self.second)
            #expect(counting.world.driver.counters.requestsTimedOut == 1)
            try counting.expectRefusal(peer, 408)
        }
    }

    @Test(arguments: [true, false])
    func `whose client leaves are forgotten`(resets: Bool) throws {
        try inWorker {
            let counting = Counting()
            let peer = counting.peer("Content-Length: 100\r\n")
            peer.write("half".utf8)
            try counting.world.run(milliseconds: 1)
            if resets { peer.reset() } else { peer.end() }
            try counting.world.run { counting.world.ring.sockets.isEmpty }
            #expect(counting.bodies.isEmpty)
            #expect(peer.head == nil)
            try counting.world.drain()
            counting.world.expectIdle()
        }
    }
}
