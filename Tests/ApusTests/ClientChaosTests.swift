// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusCodec
import ApusProtocol
import ApusTestSupport
import Testing

/// Clients that connect, abort and talk at any time, servers that do anything, and all faults: each
/// attempt has one outcome, nothing traps, nothing is misused and nothing is left behind.
@Suite struct `Client chaos` {
    @Test(arguments: [0, 1, 2, 3] as [UInt64])
    func `worker survives clients and servers that do anything`(part: UInt64) throws {
        for seed in 1...40 as ClosedRange<UInt64> {
            try run(seed: 1000 * part + seed)
        }
    }

    @Test(
        arguments: NamedFaults.each + [NamedFaults("failed connects", Faults(failedConnects: 60))]
    )
    func `every attempt has one outcome`(faults: NamedFaults) throws {
        for seed in 1...5 as ClosedRange<UInt64> { try run(seed: seed, faults: faults.faults) }
    }

    private struct Mistake: Error {}

    /// What the clients do; its own random numbers keep the ring's in their places.
    @WorkerActor
    private final class Application {
        let test: ClientWorld
        var random: SplitMix
        var attemptCount = 0
        var outcomeCount = 0
        var openCount = 0
        var refusalCount = 0

        init(_ test: ClientWorld, seed: UInt64) {
            self.test = test
            random = SplitMix(seed: seed &* 31)
            test.client.onConnect { [unowned self] connection in
                outcomeCount += 1
                opened(connection)
            }
            test.client.onConnectFailed { [unowned self] _ in
                outcomeCount += 1
                connect()
            }
        }

        func connect() {
            guard attemptCount < 40 else { return }
            let port = 79 + random.upTo(6)
            do {
                let proxy = try HTTPProxy("http://10.0.0.7:\(port)")
                test.client.configuration.route = random.chance(30) ? .proxy(proxy) : .direct
                if random.chance(30) {
                    use(try WebSocket("ws://10.0.0.1:\(port)/", client: test.client))
                } else {
                    try test.client.connect("ws://10.0.0.1:\(port)/")
                }
                attemptCount += 1
            } catch {
                // It drains.
                refusalCount += 1
            }
        }

        private func use(_ socket: WebSocket) {
            socket.onClose { [unowned self] _ in
                outcomeCount += 1
                connect()
            }
            socket.onMessage { [unowned self, unowned socket] _ in
                switch random.upTo(6) {
                case 1: throw Mistake()
                case 2: try socket.close()
                default: try socket.send("again")
                }
            }
            socket.onOpen { [unowned socket] in try socket.send("hello") }
            switch random.upTo(4) {
            case 1: try? socket.close()
            case 2:
                test.world.ring.after(UInt64(random.upTo(500)) * 1_000_000) { [weak socket] in
                    inWorker { try? socket?.close() }
                }
            default: break
            }
        }

        private func opened(_ connection: WebSocketConnection) {
            openCount += 1
            connection.onClose { [unowned self] _, _ in
                openCount -= 1
                connect()
            }
            connection.onMessage { [unowned self, unowned connection] message in
                try received(message, on: connection)
            }
            connection.sendUTF("hello")
        }

        private func received(
            _ message: borrowing WebSocketMessage,
            on connection: WebSocketConnection
        ) throws {
            switch random.upTo(8) {
            case 1: throw Mistake()
            case 2: connection.close()
            case 3: connection.drop()
            case 4: test.client.abort()
            case 5: connection.sendBytes([UInt8](repeating: 1, count: 10_000))
            default: connection.send(message)
            }
        }
    }

    private func run(seed: UInt64, faults: Faults = .all) throws {
        try inWorker {
            let test = ClientWorld(seed: seed, faults: faults)
            let world = test.world
            var random = SplitMix(seed: seed &* 17)
            test.answers = [81: .refusal(111), 82: .silence, 83: .connected(after: 50_000_000)]
            test.prepare = { server in
                script(server, world.ring, &random)
            }
            let application = Application(test, seed: seed)
            for _ in 0..<application.random.upTo(8) { application.connect() }
            for _ in 0..<application.random.upTo(20) {
                try world.run(milliseconds: UInt64(application.random.upTo(2000)))
                if application.random.chance(20) {
                    test.client.abort()
                } else {
                    application.connect()
                }
            }
            #expect(application.refusalCount == 0, "seed \(seed)")
            try world.drain()
            #expect(application.outcomeCount == application.attemptCount, "seed \(seed)")
            #expect(application.openCount == 0, "seed \(seed)")
            #expect(test.servers.allSatisfy { $0.complaint == nil }, "seed \(seed)")
            test.expectNothingHeld()
            world.expectIdle()
            try #require(world.ring.misuses.isEmpty, "seed \(seed)")
        }
    }

    private func script(_ server: VirtualServer, _ ring: ScriptedRing, _ random: inout SplitMix) {
        server.echoes = random.chance(50)
        server.answersRequest = random.chance(80)
        server.answersClose = random.chance(80)
        server.endsAfterClose = random.chance(70)
        server.endsAfterEnd = random.chance(80)
        if random.chance(10) { server.response = Array("HTTP/1.1 500 \r\n\r\n".utf8) }
        if random.chance(5) { server.response = Array("nonsense".utf8) }
        let proxied = ["200 OK", "200 OK", "200 OK", "502 No", "nonsense"]
        let answer = proxied[random.upTo(proxied.count) - 1]
        server.tunnelResponse = Array("HTTP/1.1 \(answer)\r\n\r\n".utf8)
        for _ in 0..<random.upTo(10) {
            let kind = random.upTo(12)
            ring.after(UInt64(random.upTo(10_000)) * 1_000_000) { [weak server] in
                guard let server else { return }
                switch kind {
                case 1: server.reset()
                case 2: server.end()
                case 3: server.send(8, [3, 232])
                case 4: server.write([0x81, 0xFF])
                case 5: server.isReading = false
                case 6, 7: server.isReading = true
                default: server.send(2, [1, 2, 3])
                }
            }
        }
    }
}
