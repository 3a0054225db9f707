// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Apus
import ApusCodec
import Testing

/// What a handler does to one connection while another one's output goes out and fails.
@Suite struct HandlersDuringTheFlush {
    enum Reaction: CaseIterable {
        case sendSmall, sendLarge, close, drop

        @WorkerActor
        func callAsFunction(_ connection: WebSocketConnection) {
            switch self {
            case .sendSmall: connection.sendUTF("left")
            case .sendLarge: connection.sendBytes(Array(repeating: 7, count: 9000))
            case .close: connection.close()
            case .drop: connection.drop()
            }
        }

        /// What the connection's peer gets behind what was sent to it before.
        func expect(of peer: VirtualPeer) {
            switch self {
            case .sendSmall:
                #expect(peer.messages == [Array("one".utf8), Array("left".utf8)])
            case .sendLarge:
                #expect(peer.messages == [Array("one".utf8), Array(repeating: 7, count: 9000)])
            case .close:
                #expect(peer.messages == [Array("one".utf8)])
                #expect(peer.closeCode == 1000)
            case .drop:
                #expect(peer.messages.count <= 1)
                #expect(peer.closeCode == nil)
            }
        }
    }

    /// Sends to both of two connections in one turn, the second of which is broken; its close
    /// handler then does something to the first.
    @WorkerActor
    private func breakOne(
        messages: Int,
        brokenFirst: Bool,
        _ reaction: Reaction
    ) throws {
        let world = World()
        var connections: [WebSocketConnection] = []
        world.server.onRequest { request in connections.append(try request.accept()) }
        let peers = [try world.open(), try world.open(), try world.open()]
        let (healthy, broken) = (connections[0], connections[1])
        broken.onClose { _, _ in reaction(healthy) }
        connections[2].onMessage { _ in
            if !brokenFirst { healthy.sendUTF("one") }
            for _ in 0..<messages { broken.sendBytes(Array(repeating: 0, count: 3000)) }
            if brokenFirst { healthy.sendUTF("one") }
            peers[1].reset()
        }
        peers[2].sendText("go")
        try world.run { broken.closeReasonCode != nil }
        try world.run(milliseconds: 1)
        #expect(broken.closeReasonCode == .abnormalClosure)
        reaction.expect(of: peers[0])
        try world.drain()
        world.expectIdle()
    }

    @Test(arguments: Reaction.allCases, [true, false])
    func `one whose send fails at once disturbs no other output`(
        reaction: Reaction,
        brokenFirst: Bool
    ) throws {
        // Ten messages are more than a chunk, so they go out by system call within the flush.
        try inWorker { try breakOne(messages: 10, brokenFirst: brokenFirst, reaction) }
    }

    @Test(arguments: Reaction.allCases, [true, false])
    func `one whose send fails in the ring disturbs no other output`(
        reaction: Reaction,
        brokenFirst: Bool
    ) throws {
        try inWorker { try breakOne(messages: 1, brokenFirst: brokenFirst, reaction) }
    }

    @Test func `request accepted within the flush gets its early frames answered`() throws {
        try inWorker {
            let world = World()
            var kept: WebSocketRequest?
            var connections: [WebSocketConnection] = []
            world.server.onRequest { request in
                if kept == nil { kept = request } else { connections.append(try request.accept()) }
            }
            let early = world.connect()
            early.requestUpgrade()
            early.sendText("early")
            let peers = [try world.open(), try world.open()]
            connections[0].onClose { _, _ in
                let connection = try kept?.accept()
                connection?.onMessage { [unowned connection] in connection?.send($0) }
            }
            connections[1].onMessage { _ in
                for _ in 0..<10 { connections[0].sendBytes(Array(repeating: 0, count: 3000)) }
                peers[0].reset()
            }
            peers[1].sendText("go")
            try world.run(milliseconds: 5)
            #expect(early.messages == [Array("early".utf8)])
            try world.drain()
            world.expectIdle()
        }
    }
}
