// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusProtocol
import Testing

@Suite struct `Origins under a policy` {
    @Test func `page of another site gets 403 before the handler is asked`() throws {
        try inWorker {
            let world = World { $0.originPolicy = .sameOrigin }
            var origins: [String?] = []
            world.server.onRequest { request in
                origins.append(request.origin)
                try request.accept()
            }
            let stranger = world.connect()
            stranger.requestUpgrade(fields: "Origin: https://evil.example\r\n")
            let sandboxed = world.connect()
            sandboxed.requestUpgrade(fields: "Origin: null\r\n")
            try world.run { stranger.isOver && sandboxed.isOver }
            #expect(stranger.status == 403)
            #expect(sandboxed.status == 403)
            let own = try world.open(fields: "Origin: https://Test\r\n")
            let program = try world.open()
            #expect(own.isOpen && program.isOpen)
            #expect(origins == ["https://Test", nil])
            #expect(world.driver.counters.originsRefused == 2)
            #expect(world.driver.counters.handshakesRefused == 2)
            #expect(world.driver.counters.handlerErrors == 0)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `origin can be demanded, and chosen from a list`() throws {
        try inWorker {
            let world = World { configuration in
                var policy = OriginPolicy.allowed(["https://*.example.com"])
                policy.admitsMissingOrigin = false
                configuration.originPolicy = policy
            }
            world.serveEcho()
            let program = world.connect()
            program.requestUpgrade()
            try world.run { program.isOver }
            #expect(program.status == 403)
            _ = try world.open(fields: "Origin: https://a.example.com\r\n")
            #expect(world.driver.counters.originsRefused == 1)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `application decides where there is no policy`() throws {
        try inWorker {
            let world = World()
            world.serveEcho()
            _ = try world.open(fields: "Origin: https://evil.example\r\n")
            #expect(world.driver.counters.originsRefused == 0)
            try world.drain()
            world.expectIdle()
        }
    }
}
