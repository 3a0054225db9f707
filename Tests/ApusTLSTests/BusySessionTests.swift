// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusTLS
import Testing

/// Sessions that keep OpenSSL's buffers, since they receive one message after the other.
struct BusySessions {
    @Test func `a session is busy from its 64th receive until it rests`() throws {
        let pair = try SessionPair.established()
        // Of the handshake they were given two.
        pair.sendMessages(60)
        #expect(pair.server.wire.busySessionCount == 0)
        pair.sendMessages(10)
        #expect(pair.server.wire.busySessionCount == 1)
        pair.server.session.rest()
        #expect(pair.server.wire.busySessionCount == 0)
        pair.sendMessages(63)
        #expect(pair.server.wire.busySessionCount == 0)
        pair.sendMessages(1)
        #expect(pair.server.wire.busySessionCount == 1)
        #expect(pair.server.received.count == 134)
    }

    @Test func `one that rests with half of a record loses nothing`() throws {
        let pair = try SessionPair.established()
        pair.sendMessages(64)
        pair.client.send([1, 2, 3])
        let record = pair.client.takeOutput()
        pair.server.receive(Array(record.prefix(7)))
        pair.server.session.rest()
        pair.server.receive(Array(record.dropFirst(7)))
        #expect(pair.server.received.suffix(3) == [1, 2, 3])
        #expect(pair.server.wire.busySessionCount == 0)
    }

    @Test func `one that has ended is not busy`() throws {
        let wire = TLSWire()
        do {
            let pair = try SessionPair.established(on: wire)
            pair.sendMessages(64)
            #expect(wire.busySessionCount == 1)
        }
        #expect(wire.busySessionCount == 0)
    }

    @Test func `there are 256 on a wire at most, and the next can do without`() throws {
        let wire = TLSWire()
        let server = try Credentials.shared.context()
        let pairs = try (0..<258).map { _ in
            try SessionPair.established(server: server, on: wire)
        }
        for pair in pairs { pair.sendMessages(64) }
        #expect(wire.busySessionCount == 256)
        let last = try #require(pairs.last)
        #expect(last.server.received.count == 64)
        pairs[0].server.session.rest()
        #expect(wire.busySessionCount == 255)
        last.sendMessages(64)
        #expect(wire.busySessionCount == 256)
    }
}
