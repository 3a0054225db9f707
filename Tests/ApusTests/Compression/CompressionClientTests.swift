// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusCodec
import ApusTestSupport
import Glibc
import Testing

@Suite(.rfc7692("5.1")) struct `Compression on a client` {
    @Test(
        arguments: [
            (
                .shared,
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits"
            ),
            (
                .dedicated(),
                "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12"
            ),
            (
                .dedicated(contextsMax: 0),
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits"
            ),
        ] as [(Compression, String)]
    )
    func `is offered as it is configured`(compression: Compression, offer: String) throws {
        try inWorker {
            let world = ClientWorld { $0.compression = compression }
            let (connection, server) = try world.open()
            #expect(server.field("Sec-WebSocket-Extensions") == offer)
            #expect(connection.extensions.isEmpty)
            connection.sendBytes(sampleText(1000))
            try world.world.run { !server.frames.isEmpty }
            #expect(server.complaint == nil)
            #expect(server.messages == [sampleText(1000)])
        }
    }

    @Test func `has no more contexts offered than there may be`() throws {
        try inWorker {
            let test = ClientWorld { $0.compression = .dedicated(contextsMax: 2) }
            let pool = test.world.driver.compression
            test.answers[82] = .refusal(ECONNREFUSED)
            test.prepare = { server in
                server.answersRequest = server.port != 83
                // One has what it was offered, and the others do without.
                if server.port == 81 {
                    server.extensions = "permessage-deflate; server_max_window_bits=12"
                }
            }
            func offersContexts(_ server: VirtualServer) -> Bool {
                server.field("Sec-WebSocket-Extensions")?.contains("no_context") == false
            }
            // All at once, before anybody has answered.
            for port in [80, 83, 80] { try test.client.connect("ws://10.0.0.1:\(port)/") }
            #expect(pool.contextCount == 2)
            try test.world.run { test.servers.filter { $0.request != nil }.count == 3 }
            #expect(test.servers.map(offersContexts) == [true, true, false])
            try test.world.run { test.connections.count == 2 }
            #expect(pool.contextCount == 1)
            // What was offered in vain can be offered again.
            #expect(try test.fail("ws://10.0.0.1:82/") == .refused(errno: ECONNREFUSED))
            let (connection, server) = try test.open("ws://10.0.0.1:81/")
            #expect(offersContexts(server))
            #expect(pool.contextCount == 2)
            test.client.abort()
            #expect(pool.contextCount == 1)
            connection.drop()
            #expect(pool.contextCount == 0)
            for connection in test.connections { connection.drop() }
            try test.expectIdle()
        }
    }

    @Test(arguments: ["permessage-deflate", "permessage-bzip2", "permessage-deflate; foo"])
    func `fails where the answer does not fit`(answer: String) throws {
        try inWorker {
            let world = ClientWorld { $0.compression = .shared }
            world.prepare = { $0.extensions = answer }
            guard case .invalidResponse = try world.fail() else {
                Issue.record("\(world.failures)")
                return
            }
        }
    }

    @Test func `that makes no sense is a mistake of the caller`() throws {
        try inWorker {
            var nonsense = [Compression](repeating: .shared, count: 4)
            nonsense[0].level = 10
            nonsense[1].threshold = 0
            nonsense[2].maxInflationRatio = 0
            (nonsense[3].engine, nonsense[3].level) = (.zlib, 0)
            for compression in nonsense + [.dedicated(windowBits: 8)] {
                let test = ClientWorld { $0.compression = compression }
                let problem = try #require(compression.objection)
                #expect(
                    throws: WebSocketError.invalidRequest("the client's compression \(problem)")
                ) {
                    try test.client.connect("ws://10.0.0.1/")
                }
                test.expectNothingHeld()
            }
        }
    }

    @Test func `sends and takes what was agreed on`() throws {
        try inWorker {
            let world = ClientWorld { $0.compression = .shared }
            world.prepare = {
                $0.extensions = "permessage-deflate; server_no_context_takeover"
            }
            let (connection, server) = try world.open()
            // No broadcast is compressed for it.
            #expect(world.world.driver.compression.connectionCount == 0)
            let message = sampleText(1000)
            connection.sendBytes(message)
            connection.sendBytes(message)
            try world.world.run { server.frames.count == 2 }
            #expect(server.complaint == nil)
            #expect(server.frames.allSatisfy { $0.reservedBits == 0x40 })
            #expect(server.frames[0].payload.count < 500)
            // Each stands alone, since the client said so.
            #expect(server.frames[0].payload == server.frames[1].payload)
            var hello = VirtualServer.frame(1, [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00])
            hello[0] |= 0x40
            server.write(hello)
            try world.world.run { !world.messages.isEmpty }
            #expect(world.messages == [Array("Hello".utf8)])
            var bad = VirtualServer.frame(1, [0x06])
            bad[0] |= 0x40
            server.write(bad)
            try world.world.run { !world.closes.isEmpty }
            #expect(world.closes == [.invalidPayload])
        }
    }
}
