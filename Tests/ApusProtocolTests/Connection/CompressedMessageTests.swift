// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusProtocol
import ApusTestSupport
import Testing

@Suite(.rfc7692("6")) struct `Compressed messages` {
    private static let agreement = DeflateAgreement(
        server: .init(takesOver: false, windowBits: 15),
        client: .init(takesOver: false, windowBits: 15)
    )

    private func endpoint(_ role: Role) -> Endpoint {
        let endpoint = Endpoint(role)
        endpoint.machine.deflate = Self.agreement
        return endpoint
    }

    /// Not text before it is inflated, so that is not checked.
    @Test(arguments: bothRoles)
    func `say so in their first part, and their text is not checked`(role: Role) {
        let wire = WireBytes(to: role)
        let stream =
            wire.header(firstByte: 0x41, length: [2]) + wire.masked([0xFF, 0xFE])
            + wire.header(firstByte: 0x89, length: [1]) + wire.masked([0x70])
            + wire.continuation([0xFF]) + wire.text("plain")
            + wire.header(firstByte: 0xC2, length: [1]) + wire.masked([0xFD])
        for pieces in [[0..<stream.count]] + EverySplit.inTwo(stream.count) {
            let endpoint = endpoint(role)
            for piece in pieces { endpoint.feed(stream[piece]) }
            #expect(endpoint.isOpen)
            let firsts = endpoint.parts.filter(\.isFirst)
            #expect(firsts.map(\.isCompressed) == [true, false, true])
            #expect(firsts.map(\.kind) == [.text, .text, .binary])
        }
    }

    @Test(
        arguments: [
            [0x41, 0, 0xC0, 0], [0x41, 0, 0x40, 0], [0x01, 0, 0xC0, 0], [0xC8, 0], [0xC9, 0],
            [0xCA, 0], [0xA1, 0], [0x91, 0], [0xF1, 0], [0xC0, 0],
        ] as [[UInt8]]
    )
    func `have their mark in no other frame than the first`(stream: [UInt8]) {
        let endpoint = endpoint(.client)
        endpoint.feed(stream)
        #expect(endpoint.events.last == .fail(.reservedBits))
    }

    /// It has to fit into the room that the rest of a machine leaves.
    @Test func `cost a connection no memory`() {
        #expect(MemoryLayout<DeflateAgreement?>.size <= 5)
        #expect(MemoryLayout<ConnectionStateMachine>.size <= 40)
    }
}
