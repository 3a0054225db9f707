// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusCodec
import ApusProtocol
import Testing

/// What WebSocket-Node takes although RFC 6455 forbids it, by the number of our list of its defects.
@Suite struct `Defects of others around frames` {
    struct Violation: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let bytes: [UInt8]

        init(_ name: String, _ bytes: [UInt8]) {
            testDescription = name
            self.bytes = bytes
        }
    }

    private static let key: [UInt8] = [0, 0, 0, 0]

    /// Of frames with a payload, no more than what proves the fault.
    private static let violations = [
        Violation("unmasked text", [0x81, 0x01]),
        Violation("unmasked ping", [0x89, 0x00]),
        Violation("unmasked Close", [0x88, 0x02, 0x03, 0xE8]),
        Violation("Close with 1015", [0x88, 0x82] + key + [0x03, 0xF7]),
        Violation("Close with 1006", [0x88, 0x82] + key + [0x03, 0xEE]),
        Violation("Close with 1005", [0x88, 0x82] + key + [0x03, 0xED]),
        Violation("125 in two more bytes", [0x82, 0xFE, 0x00, 0x7D]),
        Violation("65535 in eight more bytes", [0x82, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]),
        Violation("nothing in eight more bytes", [0x82, 0xFF, 0, 0, 0, 0, 0, 0, 0, 0]),
        Violation("reserved opcode 3 with a long payload", [0x83, 0xFE, 0xFF, 0xFF]),
        Violation("reserved opcode 7 with a huge payload", [0x87, 0xFF, 0, 0, 0, 0, 0, 8, 0, 0]),
        Violation("reserved opcode 11", [0x8B, 0xFD]),
        Violation("reserved opcode 15 in a fragment", [0x0F, 0x81]),
    ]

    @Test(arguments: violations, [true, false])
    func `5: what the RFC forbids fails with 1002 at the byte that proves it`(
        violation: Violation,
        isMidMessage: Bool
    ) throws {
        try inWorker {
            let (world, connection, peer) = try World.withConnection()
            var messageCount = 0
            connection.onMessage { _ in messageCount += 1 }
            if isMidMessage { peer.send(1, Array("half a mess".utf8), isFinal: false) }
            let start = world.ring.now
            peer.write(violation.bytes)
            try world.run { peer.isOver }
            #expect(world.ring.now - start < 1_000_000)
            #expect(peer.closeCode == 1002)
            #expect(peer.frames.count == 1)
            #expect(connection.closeReasonCode == .protocolError)
            #expect(messageCount == 0)
            #expect(world.driver.counters.protocolViolations == 1)
            try world.drain()
            world.expectIdle()
        }
    }
}
