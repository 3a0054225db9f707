// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusProtocol
import ApusTestSupport
import HTTPTypes
import Testing

/// What servers with this API got wrong around requests, numbered as the list of such defects is.
@Suite struct `Defects of others around requests` {
    @Test(.bug("https://github.com/theturtle32/WebSocket-Node/issues/273", id: 273))
    func `9: bad cookie of another site costs no handshake, and commas split none`() throws {
        try inWorker {
            let world = World()
            var cookies: [Cookie] = []
            world.server.onRequest { request in
                cookies = request.cookies
                try request.accept()
            }
            let peer = world.connect()
            peer.requestUpgrade(
                fields: "Cookie: bad=%E0%A4%A; =; ;x; a=1,b=2; ok=yes; q=\"z\"\r\n"
            )
            try world.run { peer.head != nil }
            #expect(peer.status == 101)
            #expect(cookies.map(\.name) == ["bad", "a", "ok", "q"])
            #expect(cookies.map(\.value) == ["%E0%A4%A", "1,b=2", "yes", "z"])
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `9: a cookie that is no text costs no handshake`() throws {
        try inWorker {
            let world = World()
            var names: [String] = []
            world.server.onRequest { request in
                names = request.cookies.map(\.name)
                try request.accept()
            }
            let peer = world.connect()
            peer.write("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n".utf8)
            peer.write("Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nCookie: a=".utf8)
            peer.write([0xFF, 0xC3, 0x28])
            peer.write("; b=c\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".utf8)
            try world.run { peer.head != nil }
            #expect(peer.status == 101)
            #expect(names == ["b"])
            try world.drain()
            world.expectIdle()
        }
    }

    /// A separator in an offer, or whatever else a client says, is answered and harms nobody.
    @Test(arguments: 0..<8 as Range<UInt64>)
    func `2: whatever is offered, accepting an offer never throws`(seed: UInt64) throws {
        try inWorker {
            let world = World()
            var acceptCount = 0
            world.server.onRequest { request in
                for offer in request.requestedProtocols { #expect(!offer.contains("/")) }
                do throws(WebSocketError) {
                    try request.accept(
                        protocol: request.requestedProtocols.last,
                        origin: request.origin
                    )
                    acceptCount += 1
                } catch {
                    Issue.record("seed \(seed): \(error)")
                }
            }
            var random = SplitMix(seed: seed)
            let pieces = ["a", "/", "a/b", ",", " ", "\"", "X", ";", "(", "v1.chat", "\t", "é"]
            for round in 0..<60 {
                var value = ""
                for _ in 0..<Int.random(in: 0...5, using: &random) {
                    value += pieces[Int.random(in: pieces.indices, using: &random)]
                }
                let peer = world.connect()
                peer.requestUpgrade(
                    fields: "Sec-WebSocket-Protocol: \(value)\r\nOrigin: \(value)\r\n"
                )
                try world.run { peer.head != nil }
                let status = peer.status
                #expect(status == 101 || status == 400, "seed \(seed), round \(round): \(value)")
                if value.contains("/") { #expect(status == 400, "\(value)") }
            }
            #expect(acceptCount > 0)
            #expect(world.driver.counters.handlerErrors == 0)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test(arguments: [
        (202, "Accepted"), (405, "Method Not Allowed"), (422, "Unprocessable Content"),
        (428, "Precondition Required"), (429, "Too Many Requests"),
        (431, "Request Header Fields Too Large"), (451, "Unavailable For Legal Reasons"),
        (511, "Network Authentication Required"),
    ])
    func `17: every status has its phrase, and a rejection its body`(
        status: Int,
        phrase: String
    ) throws {
        try inWorker {
            let world = World()
            world.server.onRequest { request in
                if request.path == "/json" {
                    try request.reject(
                        status: status,
                        reason: "for the log",
                        body: ResponseBody(text: "{}", contentType: "application/json")
                    )
                } else {
                    try request.reject(status: status, reason: "why not")
                }
            }
            let plain = world.connect()
            plain.requestUpgrade()
            let json = world.connect()
            json.requestUpgrade(target: "/json")
            try world.run { plain.isOver && json.isOver }
            #expect(plain.head?.hasPrefix("HTTP/1.1 \(status) \(phrase)\r\n") == true)
            #expect(plain.body == Array("why not".utf8))
            #expect(json.head?.contains("\r\nContent-Type: application/json\r\n") == true)
            #expect(json.head?.contains("\r\nContent-Length: 2\r\n") == true)
            #expect(json.body == Array("{}".utf8))
            try world.drain()
            world.expectIdle()
        }
    }
}
