// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusCodec
import ApusRing
import Glibc
import HTTPTypes
import Testing

/// A worker whose client connects to virtual servers.
@WorkerActor
final class ClientWorld {
    let world: World
    let client: WebSocketClient

    /// Those that were connected to, in order.
    private(set) var servers: [VirtualServer] = []
    /// How each is to behave.
    var prepare: (VirtualServer) -> Void = { _ in }
    /// What comes of a connect to a port.
    var answers: [UInt16: ScriptedRing.ConnectAnswer] = [:]

    // What the client was told.
    private(set) var connections: [WebSocketConnection] = []
    private(set) var failures: [ConnectFailure] = []
    private(set) var messages: [[UInt8]] = []
    private(set) var closes: [CloseCode] = []

    init(
        seed: UInt64 = 1,
        faults: Faults = .none,
        executor: LoopExecutor = LoopExecutor(),
        configure: (inout ClientConfiguration) -> Void = { _ in }
    ) {
        world = World(seed: seed, faults: faults, executor: executor)
        var configuration = ClientConfiguration()
        configure(&configuration)
        client = WebSocketClient(configuration: configuration, dialer: world.driver)
        world.ring.answerConnect = { [unowned self, ring = world.ring] address, socket in
            let server = VirtualServer(ring: ring, socket: socket, address: address)
            let answer = answers[server.port] ?? .connected(after: 0)
            guard case .connected = answer else {
                socket.peer = nil
                return answer
            }
            servers.append(server)
            prepare(server)
            return answer
        }
        client.onConnect { [unowned self] connection in
            connections.append(connection)
            connection.onMessage { [unowned self] message in
                messages.append(message.withBytes { span in span.indices.map { span[$0] } })
            }
            connection.onClose { [unowned self] code, _ in closes.append(code) }
        }
        client.onConnectFailed { [unowned self] in failures.append($0) }
    }

    /// Connects and waits until it is open.
    func open(
        _ url: String = "ws://10.0.0.1/",
        protocols: [String] = [],
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> (connection: WebSocketConnection, server: VirtualServer) {
        let count = connections.count
        try client.connect(url, protocols: protocols)
        try world.run(sourceLocation: sourceLocation) { connections.count > count }
        return (
            try #require(connections.last, sourceLocation: sourceLocation),
            try #require(servers.last, sourceLocation: sourceLocation)
        )
    }

    /// Connects and waits until it has failed.
    func fail(
        _ url: String = "ws://10.0.0.1/",
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> ConnectFailure {
        try client.connect(url)
        try world.run(sourceLocation: sourceLocation) { !failures.isEmpty }
        return failures[0]
    }

    /// Nothing is held for anybody any more, once what is in flight has ended.
    func expectIdle(sourceLocation: SourceLocation = #_sourceLocation) throws {
        try world.run(sourceLocation: sourceLocation) { world.ring.sockets.isEmpty }
        expectNothingHeld(sourceLocation: sourceLocation)
    }

    func expectNothingHeld(sourceLocation: SourceLocation = #_sourceLocation) {
        let driver = world.driver
        #expect(driver.table.count == 0, sourceLocation: sourceLocation)
        #expect(driver.endingCount == 0, sourceLocation: sourceLocation)
        #expect(driver.dialing.isEmpty, sourceLocation: sourceLocation)
        #expect(driver.deadlines.isEmpty, sourceLocation: sourceLocation)
        #expect(driver.outputPool.value.lentCount == 0, sourceLocation: sourceLocation)
        #expect(client.attempts.isEmpty, sourceLocation: sourceLocation)
        #expect(world.ring.misuses == [], sourceLocation: sourceLocation)
    }
}
