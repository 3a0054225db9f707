// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusProtocol
import ApusRing
import Logging
import Synchronization
import Testing

/// Runs a test where the worker's actor is: each test has a world of its own, on its own thread.
func inWorker(_ body: @WorkerActor () throws -> Void) rethrows {
    try WorkerActor.assumeIsolated(body)
}

/// The same where tasks run, on the one loop that all tests of the process share: one at a time.
///
/// Its jobs run in the turns of ``World/withTasks(seed:faults:configure:)``.
func inLoop(_ body: @WorkerActor () throws -> Void) rethrows {
    try oneAtATime.withLock { _ in try WorkerActor.assumeIsolated(body) }
}

private let oneAtATime = Mutex(())

/// The real loop and driver of a worker on a scripted ring, with virtual peers.
///
/// Tasks run where the executor is that of the actor: ``withTasks(seed:faults:configure:)``.
@WorkerActor
final class World {
    nonisolated static let listener: Int32 = 3
    nonisolated static let secondListener: Int32 = 1000

    let ring: ScriptedRing
    let http = HTTPServer(port: 0)
    let server: WebSocketServer
    let driver: ConnectionDriver<ScriptedRing>
    private let loop: WorkerLoop<ScriptedRing>
    private(set) var peers: [VirtualPeer] = []
    private let isSecure: Bool

    init(
        seed: UInt64 = 1,
        faults: Faults = .none,
        executor: LoopExecutor = LoopExecutor(),
        secondHTTP: HTTPServer? = nil,
        tls: TLSListener? = nil,
        configure: (inout ServerConfiguration) -> Void = { _ in }
    ) {
        var configuration = ServerConfiguration()
        configure(&configuration)
        let ring = ScriptedRing(seed: seed, faults: faults)
        self.ring = ring
        server = WebSocketServer(httpServer: http, configuration: configuration)
        var listeners = [WorkerListener(descriptor: Self.listener, httpServer: http, tls: tls)]
        isSecure = tls != nil
        if let secondHTTP {
            listeners.append(
                WorkerListener(descriptor: Self.secondListener, httpServer: secondHTTP)
            )
        }
        driver = ConnectionDriver(
            ring: ring,
            configuration: configuration,
            listeners: listeners,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            now: Instant(nanoseconds: ring.now)
        )
        loop = WorkerLoop(
            driver: driver,
            executor: executor,
            clock: { Instant(nanoseconds: ring.now) },
            control: { _ in }
        )
        server.host = driver
    }

    /// Every message comes back with its type.
    func serveEcho() {
        server.onRequest { request in
            let connection = try request.accept()
            connection.onMessage { [unowned connection] message in connection.send(message) }
        }
    }

    // MARK: Peers

    /// A peer that waits to be accepted; one with TLS where that is spoken.
    func connect(
        from address: String? = nil,
        to listener: Int32 = World.listener
    ) -> VirtualPeer {
        let peer = connectPlainly(from: address, to: listener)
        if isSecure, listener == World.listener { peer.tls = .client() }
        return peer
    }

    /// A peer that waits to be accepted, and speaks no TLS.
    func connectPlainly(
        from address: String? = nil,
        to listener: Int32 = World.listener
    ) -> VirtualPeer {
        let peer = VirtualPeer(
            ring: ring,
            listener: listener,
            address: address ?? "10.0.0.\(peers.count)"
        )
        peers.append(peer)
        return peer
    }

    /// A peer with an open connection.
    func open(fields: String = "") throws -> VirtualPeer {
        let peer = connect()
        peer.requestUpgrade(fields: fields)
        try run { peer.isOpen }
        return peer
    }

    /// A world with one open connection, as both ends see it.
    static func withConnection(
        configure: (inout ServerConfiguration) -> Void = { _ in }
    ) throws -> (world: World, connection: WebSocketConnection, peer: VirtualPeer) {
        let world = World(configure: configure)
        var connection: WebSocketConnection?
        world.server.onRequest { connection = try $0.accept() }
        let peer = try world.open()
        return (world, try #require(connection), peer)
    }

    // MARK: Time

    func turn() throws { try loop.turn() }

    /// Turns until the condition holds.
    func run(
        turnsMax: Int = 100_000,
        sourceLocation: SourceLocation = #_sourceLocation,
        until condition: () -> Bool
    ) throws {
        try withoutActuallyEscaping(condition) { condition in
            // A job that an event of the ring adds ends the wait, as the wake descriptor does.
            ring.isObserved = { [loop] in condition() || loop.executor.hasJobs }
            defer { ring.isObserved = { false } }
            for _ in 0..<turnsMax {
                if condition() { return }
                try loop.turn()
            }
            Issue.record(
                "\(turnsMax) turns were not enough (seed \(ring.seed)) \(gauges)",
                sourceLocation: sourceLocation
            )
            throw Endless()
        }
    }

    struct Endless: Error {}

    /// Turns until so much virtual time is over.
    func run(
        milliseconds: UInt64,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let end = ring.now + milliseconds * 1_000_000
        ring.after(milliseconds * 1_000_000) {}
        try run(sourceLocation: sourceLocation) { ring.now >= end }
    }

    /// Turns until the worker has drained, and tells of it, as a worker's process does.
    func runToEnd() throws { try loop.run() }

    /// Drains the worker to its end.
    func drain(sourceLocation: SourceLocation = #_sourceLocation) throws {
        driver.beginDrain()
        try run(sourceLocation: sourceLocation) { driver.isDrained }
    }

    /// What has to be zero when nobody is connected.
    var gauges: [String] {
        driver.report().prefix(6).filter { $0.value != 0 }.map { "\($0.name)=\($0.value)" }
    }

    /// Nothing is held for anybody any more.
    func expectIdle(sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(gauges == [], "seed \(ring.seed)", sourceLocation: sourceLocation)
        #expect(ring.sockets.isEmpty, "seed \(ring.seed)", sourceLocation: sourceLocation)
        #expect(server.connections.isEmpty, "seed \(ring.seed)", sourceLocation: sourceLocation)
        #expect(server.pendingRequests.isEmpty, "seed \(ring.seed)", sourceLocation: sourceLocation)
        #expect(driver.deadlines.isEmpty, "seed \(ring.seed)", sourceLocation: sourceLocation)
        #expect(ring.misuses == [], sourceLocation: sourceLocation)
    }
}
