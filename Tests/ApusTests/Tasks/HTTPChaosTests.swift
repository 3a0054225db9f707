// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusCodec
import ApusProtocol
import ApusTestSupport
import HTTPTypes
import Testing

/// Requests of all kinds on one connection, in pieces, to handlers that answer now or later, from
/// clients that read now and then and may end their side.
@Suite struct `HTTP chaos` {
    private static let millisecond: UInt64 = 1_000_000

    /// One client: what it writes, and what it is to be told.
    @WorkerActor
    private final class Client {
        let peer: VirtualPeer
        var expected: [String] = []
        var messages: [String] = []
        var heard: [String] = []
        var answers: [String] = []
        var ends = false
        private(set) var bytes: [UInt8] = []

        init(_ number: Int, in world: World, random: inout SplitMix) {
            peer = world.connect(to: random.chance(50) ? World.listener : World.secondListener)
            ends = random.chance(50)
            for request in 0..<random.next() % 12 { add("\(number)-\(request)", random: &random) }
            guard !ends, random.chance(60) else { return }
            bytes += upgrade("/\(random.chance(50) ? "now" : "later")/\(number)").utf8
            for message in 0..<random.next() % 4 {
                let text = "\(number):\(message)"
                messages.append(text)
                bytes += WireBytes(to: .server).frame(.text, Array(text.utf8))
            }
        }

        private func add(_ name: String, random: inout SplitMix) {
            // Whose client has ended need not be answered later.
            let waits = !ends && random.chance(40)
            let size = random.chance(20) ? 70_000 : Int(random.next() % 3_000)
            expected.append(name + String(repeating: "x", count: size))
            let path = "/\(waits ? "later" : "now")/\(name)/\(size)"
            switch random.next() % 3 {
            case 0:
                bytes += ordinaryRequest(path)
            case 1:
                let body = String(repeating: "y", count: Int(random.next() % 2_000))
                let fields = "Content-Length: \(body.utf8.count)\r\n"
                bytes += ordinaryRequest(path, method: "POST", fields: fields, body: body)
            default:
                let fields = "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n"
                let body = "5;a=b\r\nhello\r\n0a\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n"
                bytes += ordinaryRequest(path, method: "POST", fields: fields, body: body)
            }
        }

        private func upgrade(_ path: String) -> String {
            """
            GET \(path) HTTP/1.1\r
            Host: test\r
            Upgrade: websocket\r
            Connection: Upgrade\r
            Sec-WebSocket-Version: 13\r
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r
            \r

            """
        }

        /// Writes it all in pieces, reads in between, and ends or not.
        func begin(in world: World, random: inout SplitMix) {
            let peer = peer
            peer.socket.outboundByteCountMax = random.chance(50) ? 1_000 : 100_000
            var time: UInt64 = 0
            var position = 0
            while position < bytes.count {
                let count = 1 + Int(random.next() % (random.chance(50) ? 40 : 20_000))
                let piece = bytes[position..<min(bytes.count, position + count)]
                position += piece.count
                if random.chance(30) { time += random.next() % (3 * millisecond) }
                world.ring.after(time) { peer.write(piece) }
                if !ends, random.chance(20) {
                    world.ring.after(time) { peer.isReading = false }
                    world.ring.after(time + random.next() % (20 * millisecond)) {
                        peer.isReading = true
                    }
                }
            }
            if ends { world.ring.after(time) { peer.end() } }
            world.ring.after(time + 100 * millisecond) { peer.isReading = true }
        }

        func read() {
            while let response = peer.takeResponse() {
                if !response.head.hasPrefix("HTTP/1.1 100 ") { answers.append(response.body) }
            }
        }
    }

    private static func answer(_ request: HTTPServerRequest) -> HTTPAnswer {
        let parts = (request.path ?? "").split(separator: "/")
        let text = String(parts[1]) + String(repeating: "x", count: Int(parts[2]) ?? 0)
        return HTTPAnswer(status: .ok, text: text)
    }

    @Test(arguments: 0..<40 as Range<UInt64>, [false, true])
    func `loses nothing and ends`(seed: UInt64, isFaulty: Bool) throws {
        try inLoop {
            var random = SplitMix(seed: seed)
            let second = HTTPServer(port: 0)
            let world = World(
                seed: seed,
                faults: isFaulty ? .all : .none,
                executor: WorkerActor.shared.loop,
                secondHTTP: second
            )
            world.server.mount(second)
            var clients: [Client] = []
            @WorkerActor func wait() async {
                let spot = ParkingSpot()
                world.ring.after(random.next() % (5 * Self.millisecond)) {
                    WorkerActor.assumeIsolated { spot.leave() }
                }
                await spot.park()
            }
            for http in [world.http, second] {
                http.onRequest(methods: [.get, .post]) { request in
                    if (request.path ?? "").hasPrefix("/later") { await wait() }
                    return Self.answer(request)
                }
            }
            world.server.onRequest { request async throws in
                let number = Int(request.path.split(separator: "/").last ?? "") ?? 0
                if request.path.hasPrefix("/later") { await wait() }
                guard request.isPending else { return }
                let connection = try request.accept()
                connection.onMessage { clients[number].heard.append($0.utf8Data ?? "") }
            }
            for number in 0..<6 {
                clients.append(Client(number, in: world, random: &random))
                clients[number].begin(in: world, random: &random)
            }
            try world.run(milliseconds: 3_000)
            for (number, client) in clients.enumerated() where !client.peer.sawReset {
                client.read()
                let isAnswered = client.answers == client.expected
                #expect(isAnswered, "client \(number): \(client.answers.count) answers")
                #expect(client.heard == client.messages, "client \(number)")
                #expect(!client.ends || client.peer.isOver, "client \(number)")
            }
            try world.drain()
            world.expectIdle()
        }
    }
}
