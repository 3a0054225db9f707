// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusCodec
import ApusProtocol
import HTTPTypes
import Testing

@Suite struct `HTTP connections` {
    private static let second: UInt64 = 1_000_000_000

    /// Answers with so many bytes as the path says.
    @WorkerActor
    private func serving(
        configure: (inout ServerConfiguration) -> Void = { _ in }
    ) -> World {
        let world = World(configure: configure)
        world.http.onRequest { request in
            let count = Int((request.path ?? "").dropFirst()) ?? 0
            return HTTPAnswer(
                HTTPResponse(status: .ok),
                body: [UInt8](repeating: 0x61, count: count)
            )
        }
        return world
    }

    @Test func `that are idle end after a while, orderly and without a word`() throws {
        try inWorker {
            let world = serving()
            let peer = world.connect()
            peer.write(ordinaryRequest("/1"))
            try world.run { peer.head != nil }
            #expect(peer.takeResponse() != nil)
            let start = world.ring.now
            try world.run { peer.isOver }
            #expect(world.ring.now - start == 5 * Self.second)
            #expect(peer.head == nil && peer.sawEnd)
            #expect(world.driver.counters.closeTimeouts == 0)
            #expect(world.driver.counters.handshakesTimedOut == 0)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `give each request the time of the first`() throws {
        try inWorker {
            let world = serving()
            let peer = world.connect()
            peer.write(ordinaryRequest("/1"))
            try world.run { peer.head != nil }
            #expect(peer.takeResponse() != nil)
            try world.run(milliseconds: 4_900)
            peer.write("GET ".utf8)
            let start = world.ring.now
            try world.run(milliseconds: 9_900)
            peer.write("/2 HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
            try world.run { peer.head != nil }
            #expect(peer.takeResponse()?.body == "aa")
            peer.write("GET ".utf8)
            try world.run { peer.isOver }
            #expect(peer.status == 408)
            #expect(world.ring.now - start == 19_900 * Self.second / 1_000)
            #expect(world.driver.counters.handshakesTimedOut == 1)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `read no further request while answers wait`() throws {
        try inWorker {
            let world = serving()
            let peer = world.connect()
            peer.isReading = false
            peer.socket.outboundByteCountMax = 1_000
            // Answers of ten megabytes altogether.
            for _ in 0..<100 { peer.write(ordinaryRequest("/100000")) }
            try world.run(milliseconds: 100)
            #expect(world.driver.counters.requestsAnswered == 1)
            let held = world.driver.table.all.map { connection in
                connection.output.value.byteCount + (connection.opening?.early.count ?? 0)
            }
            #expect(held[0] < 200_000)
            // Read slowly, all of them come.
            peer.socket.outboundByteCountMax = 100_000
            peer.isReading = true
            var count = 0
            try world.run {
                while let response = peer.takeResponse() {
                    count += response.body.utf8.count
                }
                return count == 10_000_000
            }
            #expect(world.driver.counters.requestsAnswered == 100)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test(arguments: ["", "Connection: close\r\n"])
    func `last as long as the client goes on reading an answer`(fields: String) throws {
        try inWorker {
            let world = serving()
            let peer = world.connect()
            peer.isReading = false
            peer.socket.outboundByteCountMax = 1_000
            peer.write(ordinaryRequest("/20000", fields: fields))
            for delay in 1...40 as ClosedRange<UInt64> {
                world.ring.after(delay * 4 * Self.second) { peer.readSome(1_000) }
            }
            var body: String?
            try world.run {
                body = body ?? peer.takeResponse()?.body
                return body != nil
            }
            #expect(body?.utf8.count == 20_000)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test(arguments: ["", "Connection: close\r\n"])
    func `are cut where the client does not read`(fields: String) throws {
        try inWorker {
            let world = serving()
            let peer = world.connect()
            peer.isReading = false
            peer.socket.outboundByteCountMax = 1_000
            let start = world.ring.now
            peer.write(ordinaryRequest("/20000", fields: fields))
            try world.run { world.ring.sockets.isEmpty && world.ring.now > start }
            #expect(world.ring.now - start == 5 * Self.second)
            #expect(world.driver.counters.closeTimeouts == 1)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `whose client has ended its side still get what it asked for`() throws {
        try inWorker {
            let world = serving()
            let peer = world.connect()
            peer.socket.outboundByteCountMax = 1_000
            for _ in 0..<10 { peer.write(ordinaryRequest("/5000")) }
            peer.write("GET /half".utf8)
            peer.end()
            try world.run { peer.isOver }
            var count = 0
            while peer.takeResponse() != nil { count += 1 }
            #expect(count == 10)
            try world.run { world.ring.sockets.isEmpty }
            #expect(world.driver.counters.closeTimeouts == 0)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `that are idle end with the worker at once`() throws {
        try inWorker {
            let world = serving()
            let peers = [world.connect(), world.connect()]
            for peer in peers {
                peer.write(ordinaryRequest("/1"))
                try world.run { peer.head != nil }
                #expect(peer.takeResponse() != nil)
            }
            // One that keeps its side open, as pools of connections do.
            peers[1].endsAfterEnd = false
            let start = world.ring.now
            try world.drain()
            #expect(world.ring.now - start < Self.second)
            #expect(peers.allSatisfy { $0.sawEnd && $0.head == nil })
            #expect(world.driver.drain?.cutCount == 0)
            world.expectIdle()
        }
    }

    @Test func `with a request on its way get its answer from a worker that ends`() throws {
        try inWorker {
            let world = serving()
            world.http.onRequest(methods: [.post]) { HTTPAnswer(status: .ok, text: "\($0.body)") }
            let peer = world.connect()
            peer.write(ordinaryRequest(method: "POST", fields: "Content-Length: 2\r\n"))
            try world.run(milliseconds: 1)
            world.driver.beginDrain()
            try world.run(milliseconds: 1_000)
            #expect(!peer.isOver)
            peer.write([1, 2])
            peer.write(ordinaryRequest(method: "POST"))
            try world.run { world.driver.isDrained }
            #expect(peer.head?.contains("\r\nConnection: close\r\n") == true)
            #expect(peer.takeResponse()?.body == "[1, 2]")
            #expect(peer.takeResponse() == nil)
            world.expectIdle()
        }
    }

    @Test func `with an answer on its way get the rest from a worker that ends`() throws {
        try inWorker {
            let world = serving()
            let peer = world.connect()
            peer.isReading = false
            peer.socket.outboundByteCountMax = 1_000
            peer.write(ordinaryRequest("/5000"))
            try world.run(milliseconds: 1)
            world.driver.beginDrain()
            world.ring.after(2 * Self.second) { peer.isReading = true }
            try world.run { world.driver.isDrained }
            #expect(peer.takeResponse()?.body.utf8.count == 5_000)
            world.expectIdle()
        }
    }

    @Test(arguments: 0..<30 as Range<UInt64>)
    func `lose and reorder nothing whatever the ring does`(seed: UInt64) throws {
        try inWorker {
            let world = World(seed: seed, faults: .all)
            world.http.onRequest(methods: [.post]) { request in
                HTTPAnswer(HTTPResponse(status: .ok), body: request.body)
            }
            let peers = (0..<5).map { _ in world.connect() }
            let bodies = (0..<20).map { "\($0)" + String(repeating: "x", count: $0 * $0 * 2) }
            for peer in peers {
                for body in bodies {
                    let fields = "Content-Length: \(body.utf8.count)\r\n"
                    peer.write(ordinaryRequest(method: "POST", fields: fields, body: body))
                }
            }
            var answers = peers.map { _ in [String]() }
            try world.run {
                for (index, peer) in peers.enumerated() {
                    while let response = peer.takeResponse() {
                        answers[index].append(response.body)
                    }
                }
                return zip(peers, answers).allSatisfy { $0.isOver || $1.count == bodies.count }
            }
            for (peer, answers) in zip(peers, answers) {
                #expect(answers == Array(bodies.prefix(answers.count)), "seed \(seed)")
                #expect(answers.count == bodies.count || peer.sawReset, "seed \(seed)")
            }
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `that become WebSockets hear of an end that came before`() throws {
        try inWorker {
            let world = serving()
            var messages: [String?] = []
            var codes: [CloseCode] = []
            world.server.onRequest { request in
                let connection = try request.accept()
                connection.onMessage { messages.append($0.utf8Data) }
                connection.onClose { code, _ in codes.append(code) }
            }
            let peer = world.connect()
            peer.isReading = false
            peer.socket.outboundByteCountMax = 1_000
            peer.write(ordinaryRequest("/20000"))
            try world.run(milliseconds: 10)
            peer.requestUpgrade()
            peer.sendText("last")
            peer.end()
            try world.run(milliseconds: 10)
            #expect(world.driver.counters.handshakesCompleted == 0)
            let start = world.ring.now
            peer.isReading = true
            try world.run { world.ring.sockets.isEmpty }
            #expect(world.ring.now - start < Self.second)
            #expect(messages == ["last"])
            #expect(codes == [.abnormalClosure])
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `whose client has ended its side leave nothing to a worker that ends`() throws {
        try inWorker {
            let world = serving()
            let peer = world.connect()
            peer.isReading = false
            peer.socket.outboundByteCountMax = 1_000
            for path in ["/20000", "/1"] {
                peer.write(ordinaryRequest(path))
                try world.run(milliseconds: 10)
            }
            peer.end()
            try world.run(milliseconds: 10)
            peer.isReading = true
            try world.run { !world.driver.resumed.isEmpty }
            // As a TERM of the same turn has it.
            world.driver.beginDrain()
            try world.run { world.driver.isDrained }
            #expect(peer.takeResponse()?.body.utf8.count == 20_000)
            world.expectIdle()
        }
    }
}
