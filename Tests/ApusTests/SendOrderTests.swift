// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusCodec
import ApusTLS
import ApusTestSupport
import Testing

/// What handlers send while output goes out, of which any part may have to wait.
@Suite struct `Order of what is sent` {
    /// Sends at random, and remembers what is to come.
    @WorkerActor
    private final class Sender {
        private var random: SplitMix
        private let connection: WebSocketConnection
        private(set) var expected: [[UInt8]] = []
        private(set) var drainCount = 0

        init(_ connection: WebSocketConnection, seed: UInt64) {
            random = SplitMix(seed: seed)
            self.connection = connection
            connection.onMessage { [unowned self] _ in try sendSome() }
            connection.onDrain { [unowned self] in
                drainCount += 1
                // Not without end.
                if drainCount % 4 != 0 { try sendSome() }
            }
        }

        private func sendSome() throws {
            for _ in 0...random.next() % 4 {
                // Small ones are copied and wait, large ones go past them where nothing waits.
                let count = [10, 3000, 9000, 30_000][Int(random.next() % 4)]
                let payload = [UInt8](repeating: UInt8(expected.count & 0xFF), count: count)
                // The peer takes each frame for itself.
                if connection.openMessage == .frames {
                    note(try connection.sendFrame(.continuation, payload), payload)
                } else if random.next() % 4 == 0 {
                    note(try connection.sendFrame(.binary, payload, isFinal: false), payload)
                } else {
                    note(connection.sendBytes(payload), payload)
                }
            }
        }

        private func note(_ result: SendResult, _ payload: [UInt8]) {
            if result.isTaken { expected.append(payload) }
        }
    }

    @Test(arguments: [false, true])
    func `is the order of the calls, whatever waits and whenever that has gone`(
        isSecure: Bool
    ) throws {
        let tls = isSecure ? try TLSListener.made() : nil
        for seed in 1...20 as ClosedRange<UInt64> {
            try inWorker {
                let world = World(seed: seed, tls: tls) {
                    $0.maxSendQueue = 100_000
                    $0.slowConsumerPolicy = .dropNewest
                }
                var sender: Sender?
                world.server.onRequest { sender = Sender(try $0.accept(), seed: seed) }
                let peer = try world.open()
                peer.socket.outboundByteCountMax = 7000
                var random = SplitMix(seed: seed)
                for _ in 0..<30 {
                    peer.isReading = random.next() % 3 != 0
                    for _ in 0..<random.next() % 3 { peer.send(2, [1]) }
                    try world.run(milliseconds: 1)
                }
                peer.isReading = true
                let expected = try #require(sender)
                try world.run { peer.messages.count == expected.expected.count }
                #expect(peer.complaint == nil)
                #expect(peer.messages == expected.expected, "seed \(seed)")
                #expect(expected.drainCount > 5)
            }
        }
    }

    // MARK: What cannot be sealed

    @Test(arguments: [100, 20_000])
    func `ciphertext of a connection that fails is nobody else's`(byteCount: Int) throws {
        let tls = try TLSListener.made()
        try inWorker {
            let world = World(tls: tls)
            var connections: [WebSocketConnection] = []
            var codes: [CloseCode] = []
            world.server.onRequest { request in
                let connection = try request.accept()
                connections.append(connection)
                connection.onClose { code, _ in codes.append(code) }
            }
            let peers = [try world.open(), try world.open()]
            // A record of the first lies in the memory that both share, and no other can be made.
            connections[0].tls?.close()
            #expect(unsafe !world.driver.wire.output.isEmpty)
            let message = [UInt8](repeating: 5, count: byteCount)
            connections[0].sendBytes(message)
            connections[1].sendBytes(message)
            try world.run { !peers[1].messages.isEmpty || peers[1].tls?.session.failure != nil }
            #expect(peers[1].messages == [message])
            #expect(codes == [.abnormalClosure])
            #expect(peers[0].messages.isEmpty)
            try world.drain()
            world.expectIdle()
        }
    }
}
