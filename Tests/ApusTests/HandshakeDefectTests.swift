// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusCodec
import ApusProtocol
import ApusTestSupport
import Testing

/// What WebSocket-Node gets wrong between the request and the first frames, by the numbers of our
/// list of its defects.
@Suite struct `Defects of others around handshakes` {
    /// When the client resets the connection.
    enum Moment: CaseIterable {
        case beforeTheRequestIsRead, inTheHandler, afterAccept, afterReject
        /// The decision is made before the end is seen, or after.
        case beforeLateAccept, longBeforeLateAccept, beforeLateReject, longBeforeLateReject
    }

    /// A world in which one client resets its connection at some moment, and another must not notice.
    @WorkerActor
    private final class Scene {
        let world: World
        let moment: Moment
        var victim: VirtualPeer?
        var kept: WebSocketRequest?
        var codes: [CloseCode] = []
        var acceptCount = 0

        init(_ moment: Moment, faults: Faults) {
            world = World(faults: faults)
            self.moment = moment
            world.server.onRequest { [unowned self] request in
                if request.path == "/victim" {
                    try decide(request)
                } else {
                    let connection = try request.accept()
                    connection.onMessage { [unowned connection] in connection.send($0) }
                }
            }
        }

        func accept(_ request: WebSocketRequest) throws {
            let connection = try request.accept()
            acceptCount += 1
            connection.onClose { [unowned self] code, _ in codes.append(code) }
            connection.sendUTF("first")
        }

        private func decide(_ request: WebSocketRequest) throws {
            switch moment {
            case .beforeTheRequestIsRead:
                try accept(request)
            case .inTheHandler:
                victim?.reset()
                try accept(request)
            case .afterAccept:
                try accept(request)
                victim?.reset()
            case .afterReject:
                try request.reject()
                victim?.reset()
            case .beforeLateAccept, .longBeforeLateAccept, .beforeLateReject,
                .longBeforeLateReject:
                kept = request
            }
        }

        /// The client has asked, and the application has not decided.
        func decideLate() throws {
            try world.run { kept != nil }
            try world.run(milliseconds: 1)
            let request = try #require(kept)
            victim?.reset()
            switch moment {
            case .beforeLateAccept:
                try accept(request)
            case .longBeforeLateAccept:
                try world.run { !request.isPending }
                #expect(throws: WebSocketError.clientGone) { try request.accept() }
            case .beforeLateReject:
                try request.reject()
            case .longBeforeLateReject:
                try world.run { !request.isPending }
                try request.reject()
            case .beforeTheRequestIsRead, .inTheHandler, .afterAccept, .afterReject:
                break
            }
        }
    }

    @Test(
        .bug("https://github.com/theturtle32/WebSocket-Node/issues/407", id: 407),
        arguments: Moment.allCases,
        [Faults.none, Faults(shortSends: 100), Faults(refusedSends: 80)]
    )
    func `1: client that resets between its request and the 101 harms nobody`(
        moment: Moment,
        faults: Faults
    ) throws {
        try inWorker {
            let scene = Scene(moment, faults: faults)
            let world = scene.world
            let neighbour = try world.open()
            let victim = world.connect()
            scene.victim = victim
            victim.requestUpgrade(target: "/victim")
            switch moment {
            case .beforeTheRequestIsRead: victim.reset()
            case .inTheHandler, .afterAccept, .afterReject: break
            case .beforeLateAccept, .longBeforeLateAccept, .beforeLateReject,
                .longBeforeLateReject:
                try scene.decideLate()
            }
            try world.run(milliseconds: 10)
            #expect(scene.codes == Array(repeating: .abnormalClosure, count: scene.acceptCount))
            #expect(victim.head == nil)
            #expect(world.server.connections.count == 1)
            #expect(world.server.pendingRequests.isEmpty)
            #expect(world.ring.sockets.count == 1)
            #expect(world.driver.counters.handlerErrors == 0)
            neighbour.sendText("still here")
            try world.run { neighbour.messages == [Array("still here".utf8)] }
            try world.drain()
            world.expectIdle()
        }
    }

    /// When the application accepts, as the second piece of what the client sends is seen.
    enum Decision: CaseIterable { case atOnce, betweenThePieces, afterBoth }

    private static let wire = WireBytes(to: .server)
    private static let long = Array(repeating: UInt8(ascii: "a"), count: 300)
    private static let bytes =
        Array(
            """
            GET / HTTP/1.1\r
            Host: a\r
            Upgrade: websocket\r
            Connection: Upgrade\r
            Sec-WebSocket-Version: 13\r
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r
            \r

            """.utf8
        ) + wire.text("first") + wire.ping([7]) + wire.binary(long)

    /// Accepts, and sends back every message.
    @WorkerActor
    private static func accept(_ requests: inout [WebSocketRequest]) throws {
        for request in requests {
            let connection = try request.accept()
            connection.onMessage { [unowned connection] in connection.send($0) }
        }
        requests = []
    }

    @Test(arguments: Decision.allCases)
    func `3: frames that come with the handshake are read, wherever the bytes are cut`(
        decision: Decision
    ) throws {
        try inWorker {
            let world = World()
            var kept: [WebSocketRequest] = []
            world.server.onRequest { request in
                kept.append(request)
                if decision == .atOnce { try Self.accept(&kept) }
            }
            let peers = (0...Self.bytes.count).map { _ in world.connect() }
            for (cut, peer) in peers.enumerated() { peer.write(Self.bytes[..<cut]) }
            try world.run(milliseconds: 1)
            if decision == .betweenThePieces { try Self.accept(&kept) }
            for (cut, peer) in peers.enumerated() { peer.write(Self.bytes[cut...]) }
            try world.run(milliseconds: 1)
            try Self.accept(&kept)
            try world.run { peers.allSatisfy { $0.frames.count == 3 } }
            let expected = [
                ServerFrame(opcode: 1, payload: Array("first".utf8)),
                ServerFrame(opcode: 10, payload: [7]), ServerFrame(opcode: 2, payload: Self.long),
            ]
            for (cut, peer) in peers.enumerated() { #expect(peer.frames == expected, "\(cut)") }
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `4: requests that nobody decides are limited in number and in time`() throws {
        try inWorker {
            let world = World { configuration in
                configuration.maxConnections = 5
                configuration.handshakeTimeout = .seconds(3)
            }
            var askCount = 0
            var goneCount = 0
            world.server.onRequest { request in
                askCount += 1
                request.onClientGone { goneCount += 1 }
            }
            let start = world.ring.now
            let peers = (0..<30).map { _ in world.connect() }
            for peer in peers { peer.requestUpgrade() }
            var pendingCountMax = 0
            try world.run {
                pendingCountMax = max(pendingCountMax, world.server.pendingRequests.count)
                return peers.allSatisfy(\.isOver)
            }
            #expect(pendingCountMax == 5)
            #expect(askCount == 5 && goneCount == 5)
            // Who is told that there is no room; of a flood, not all are.
            #expect(peers.allSatisfy { [nil, 503].contains($0.status) })
            #expect(peers.count { $0.endTime == start + 3_000_000_000 } == 5)
            #expect(world.driver.counters.handshakesTimedOut == 5)
            #expect(world.server.pendingRequests.isEmpty)
            // There is room again.
            world.connect().requestUpgrade()
            try world.run { askCount == 6 }
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `11: second WebSocket server on an HTTP server traps`() async {
        let result = await #expect(
            processExitsWith: .failure,
            observing: [\.standardErrorContent]
        ) {
            let http = HTTPServer(port: 0)
            _ = WebSocketServer(httpServer: http)
            _ = WebSocketServer(httpServer: http)
        }
        expectExplanation(of: result)
    }

    @Test func `11: mounting on another's HTTP server traps`() async {
        let result = await #expect(
            processExitsWith: .failure,
            observing: [\.standardErrorContent]
        ) {
            let http = HTTPServer(port: 0)
            _ = WebSocketServer(httpServer: http)
            WebSocketServer(httpServer: HTTPServer(port: 0)).mount(http)
        }
        expectExplanation(of: result)
    }

    private func expectExplanation(of result: ExitTest.Result?) {
        let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        let sentence = "the HTTP server has a WebSocket server; unmount that one first"
        #expect(text.contains(sentence), "\(text)")
    }
}
