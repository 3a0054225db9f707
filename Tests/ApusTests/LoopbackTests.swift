// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusCodec
import ApusProtocol
import ApusRing
import ApusSupervisor
import CApusSystem
import Glibc
import Logging
import Testing

/// A server and clients in one worker, over the kernel's ring and the loopback interface.
@Suite struct Loopback {
    @WorkerActor
    private final class Machine {
        let listener: ListenerSet
        let server: WebSocketServer
        let driver: ConnectionDriver<Ring>
        private let loop: WorkerLoop<Ring>

        init(host: String = "127.0.0.1", compression: Compression = .off) throws {
            var configuration = ServerConfiguration()
            configuration.compression = compression
            listener = try ListenerSet.open(ListenerSpec(.tcp(host: host, port: 0)), slots: 1)
            let http = HTTPServer(port: 0)
            server = WebSocketServer(httpServer: http)
            driver = ConnectionDriver(
                ring: try Ring(),
                configuration: configuration,
                listeners: [
                    WorkerListener(
                        descriptor: listener.descriptor(forSlot: 0),
                        httpServer: http
                    )
                ],
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
                now: Self.now()
            )
            loop = WorkerLoop(
                driver: driver,
                executor: LoopExecutor(),
                clock: Self.now,
                control: { _ in }
            )
            server.onRequest { request in
                let connection = try request.accept(protocol: request.requestedProtocols.first)
                connection.onMessage { [unowned connection] in connection.send($0) }
            }
        }

        func client() -> WebSocketClient { WebSocketClient(dialer: driver) }

        func url(_ host: String) -> String { "ws://\(host):\(listener.port ?? 0)/" }

        /// Turns until the condition holds; only a test that fails waits for long.
        func run(until condition: () -> Bool) throws {
            let start = Self.now()
            while !condition() {
                try #require(Self.now() < start.advanced(by: .seconds(60)), "it takes too long")
                try loop.turn()
            }
        }

        /// Drains, and sees that nothing is left; the listener is closed with it.
        func drain() throws {
            driver.beginDrain()
            try run { driver.isDrained }
            #expect(driver.report().prefix(6).allSatisfy { $0.value == 0 })
        }

        private static func now() -> Instant { Instant(nanoseconds: apus_clock_monotonic()) }
    }

    @Test(arguments: ["127.0.0.1", "localhost"])
    func `messages of any size come back unharmed`(host: String) throws {
        try inWorker {
            let machine = try Machine()
            let client = machine.client()
            let sent = [0, 1, 125, 126, 4096, 65_536, 1_000_000].map { count in
                (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 29 + count) }
            }
            var received: [[UInt8]] = []
            var closeCode: CloseCode?
            client.onConnect { connection in
                #expect(connection.protocol == "echo")
                #expect(connection.remoteAddress == "127.0.0.1")
                connection.onMessage { [unowned connection] message in
                    received.append(message.binaryData ?? [])
                    if received.count == sent.count { connection.close() }
                }
                connection.onClose { code, _ in closeCode = code }
                for bytes in sent { connection.sendBytes(bytes) }
            }
            client.onConnectFailed { Issue.record("\($0)") }
            try client.connect(machine.url(host), protocols: ["echo"])
            try machine.run { closeCode != nil }
            #expect(closeCode == .normalClosure)
            #expect(received == sent)
            try machine.drain()
        }
    }

    @Test(
        arguments: [.off, .shared, .dedicated(), .dedicated(windowBits: 15)] as [Compression],
        [.off, .shared, .dedicated(windowBits: 9), .dedicated(windowBits: 15)] as [Compression]
    )
    func `compressed messages come back unharmed`(
        compression: Compression,
        offered: Compression
    ) throws {
        try inWorker {
            let machine = try Machine(compression: compression)
            let client = machine.client()
            client.configuration.compression = offered
            let sent = [0, 1, 300, 4096, 300, 65_536, 300, 1_000_000].map { count in
                (0..<count).map { UInt8(truncatingIfNeeded: $0 &* $0 >> 5 + count) & 0x1F }
            }
            var received: [[UInt8]] = []
            var closeCode: CloseCode?
            var extensions: String?
            client.onConnect { connection in
                extensions = connection.extensions
                connection.onMessage { [unowned connection] message in
                    received.append(message.binaryData ?? [])
                    if received.count == sent.count { connection.close() }
                }
                connection.onClose { code, _ in closeCode = code }
                for bytes in sent { connection.sendBytes(bytes) }
            }
            client.onConnectFailed { Issue.record("\($0)") }
            try client.connect(machine.url("127.0.0.1"))
            try machine.run { closeCode != nil }
            #expect(received == sent)
            let isOn = compression != .off && offered != .off
            #expect(extensions?.isEmpty == !isOn)
            #expect(machine.driver.counters.messagesCompressed == (isOn ? 12 : 0))
            try machine.drain()
            let pool = machine.driver.compression
            #expect(pool.contextCount + pool.lentDeflaterCount + pool.connectionCount == 0)
        }
    }

    @Test func `clients reach a server over IPv6`() throws {
        try inWorker {
            let machine = try Machine(host: "::1")
            let client = machine.client()
            var texts: [String?] = []
            client.onConnect { connection in
                connection.onMessage { texts.append($0.utf8Data) }
                connection.sendUTF("grüß dich")
            }
            try client.connect(machine.url("[::1]"))
            try machine.run { !texts.isEmpty }
            #expect(texts == ["grüß dich"])
            try machine.drain()
        }
    }

    @Test func `many clients connect at once`() throws {
        try inWorker {
            let machine = try Machine()
            let client = machine.client()
            var replyCount = 0
            client.onConnect { connection in
                connection.onMessage { _ in replyCount += 1 }
                connection.sendUTF("hello")
            }
            client.onConnectFailed { Issue.record("\($0)") }
            for _ in 0..<100 { try client.connect(machine.url("127.0.0.1")) }
            try machine.run { replyCount == 100 }
            #expect(machine.server.connections.count == 100)
            try machine.drain()
        }
    }

    @Test func `port where nobody listens refuses`() throws {
        try inWorker {
            let machine = try Machine()
            let gone = try ListenerSet.open(
                ListenerSpec(.tcp(host: "127.0.0.1", port: 0)),
                slots: 1
            )
            gone.close()
            let client = machine.client()
            var failures: [ConnectFailure] = []
            client.onConnectFailed { failures.append($0) }
            // Both addresses of localhost are tried.
            try client.connect("ws://localhost:\(gone.port ?? 0)/")
            try machine.run { !failures.isEmpty }
            #expect(failures == [.refused(errno: ECONNREFUSED)])
            try machine.drain()
        }
    }

    @Test func `attempt that is aborted in the kernel leaves nothing behind`() throws {
        try inWorker {
            let machine = try Machine()
            // Its queue is full with the first few, and nobody accepts.
            let deaf = try ListenerSet.open(
                ListenerSpec(.tcp(host: "127.0.0.1", port: 0)),
                slots: 1
            )
            defer { deaf.close() }
            #expect(apus_socket_listen(deaf.descriptor(forSlot: 0), 0) == 0)
            let client = machine.client()
            var failures: [ConnectFailure] = []
            client.onConnectFailed { failures.append($0) }
            for _ in 0..<8 { try client.connect("ws://127.0.0.1:\(deaf.port ?? 0)/") }
            try machine.run { machine.driver.counters.operationsInFlight >= 8 }
            client.abort()
            #expect(failures == [ConnectFailure](repeating: .aborted, count: 8))
            try machine.run { machine.driver.table.count == 0 }
            try machine.drain()
        }
    }
}
