// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusRing
import Testing

/// The stand-in notices what it is there to notice.
@Suite struct ScriptedRings {
    private let tag = OperationTag(.receive, generation: 0, slot: 0)

    /// A ring that only collects misuses, with one accepted socket whose peer has sent a byte.
    private func ring() throws -> (ring: ScriptedRing, socket: Int32, peer: VirtualPeer) {
        let ring = ScriptedRing(seed: 1, faults: .none, onMisuse: { _ in })
        let peer = VirtualPeer(ring: ring, listener: 3, address: "")
        ring.accept(from: 3, tag: OperationTag(.accept, generation: 0, slot: 0))
        try #require(ring.wait(nanosecondsMax: nil) == 1)
        peer.write([1])
        return (ring, ring.completion(at: 0).result, peer)
    }

    /// The body is one of each of these misuses, and of no other.
    private func expectMisuses(
        _ words: [String],
        sourceLocation: SourceLocation = #_sourceLocation,
        _ body: (ScriptedRing, Int32) throws -> Void
    ) throws {
        let (ring, socket, peer) = try ring()
        try withExtendedLifetime(peer) {
            try body(ring, socket)
            #expect(
                ring.misuses.count == words.count
                    && zip(ring.misuses, words).allSatisfy { $0.contains($1) },
                "\(ring.misuses)",
                sourceLocation: sourceLocation
            )
        }
    }

    @Test func `close with an operation in flight is a misuse`() throws {
        try expectMisuses(["in flight"]) { ring, socket in
            ring.receive(on: socket, tag: tag)
            ring.close(socket)
        }
    }

    @Test func `second close is a misuse`() throws {
        try expectMisuses(["not open"]) { ring, socket in
            ring.close(socket)
            ring.close(socket)
        }
    }

    @Test func `second receive is a misuse`() throws {
        try expectMisuses(["two receives"]) { ring, socket in
            ring.receive(on: socket, tag: tag)
            ring.receive(on: socket, tag: tag)
        }
    }

    @Test func `buffer given back twice is a misuse`() throws {
        try expectMisuses(["given back twice"]) { ring, socket in
            ring.receive(on: socket, tag: tag)
            _ = try ring.wait(nanosecondsMax: nil)
            ring.giveBack(ring.completion(at: 0))
            ring.giveBack(ring.completion(at: 0))
        }
    }

    @Test func `buffer that is kept over a wait is a misuse`() throws {
        try expectMisuses(["lent over a wait"]) { ring, socket in
            ring.receive(on: socket, tag: tag)
            _ = try ring.wait(nanosecondsMax: nil)
            _ = try ring.wait(nanosecondsMax: 0)
        }
    }

    @Test func `second send, and bytes that change before the wait, are misuses`() throws {
        try expectMisuses(["two sends", "changed", "changed"]) { ring, socket in
            let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 4, alignment: 1)
            defer { unsafe bytes.deallocate() }
            unsafe bytes.initializeMemory(as: UInt8.self, repeating: 1)
            unsafe ring.send(UnsafeRawBufferPointer(bytes), on: socket, tag: tag)
            unsafe ring.send(UnsafeRawBufferPointer(bytes), on: socket, tag: tag)
            unsafe bytes[0] = 2
            _ = try ring.wait(nanosecondsMax: 0)
        }
    }

    @Test func `wait that nothing would end is a misuse`() throws {
        try expectMisuses(["nothing would ever end"]) { ring, _ in
            #expect(throws: RingError.self) { try ring.wait(nanosecondsMax: nil) }
        }
    }

    @Test func `waits without time and without an end are a misuse`() throws {
        try expectMisuses(["spins"]) { ring, _ in
            #expect(throws: RingError.self) {
                for _ in 0..<100 { _ = try ring.wait(nanosecondsMax: 0) }
            }
        }
    }
}
