// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Apus
import ApusCodec
import Testing

/// The API of an open connection through real sockets.
@Suite struct LiveConnections {
    @Test func `paused connection reads nothing, and everything after resume`() throws {
        try inWorker {
            let world = try LiveWorld()
            var connection: WebSocketConnection?
            var received: [Int] = []
            world.server.onRequest { request in
                connection = try request.accept()
                connection?.onMessage { [unowned connection] message in
                    received.append(message.byteCount)
                    if received.count % 3 == 1 { connection?.pause() }
                }
            }
            let peer = try world.open()
            for count in 1...300 { peer.send(2, Array(repeating: 1, count: 10 * count)) }
            try world.run { connection?.isPaused == true }
            for _ in 0..<5 { try world.turn() }
            #expect(received == [10])
            try world.run {
                if connection?.isPaused == true { connection?.resume() }
                return received.count == 300
            }
            #expect(received == (1...300).map { 10 * $0 })
            connection?.resume()
            try world.drain()
            #expect(peer.closeCode == 1001)
        }
    }

    @Test func `canceled pong does not go out`() throws {
        try inWorker {
            let world = try LiveWorld()
            world.server.onRequest { request in
                try request.accept().onPing { payload, pong in
                    if payload == [1] { pong.cancel() }
                }
            }
            let peer = try world.open()
            peer.send(9, [1])
            peer.send(9, [2])
            try world.run { !peer.frames.isEmpty }
            #expect(peer.frames == [ServerFrame(opcode: 10, payload: [2])])
            try world.drain()
        }
    }
}
