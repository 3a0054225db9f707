// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusTLS
import COpenSSL
import Glibc
import Testing

/// Sessions that keep OpenSSL's buffers, since they receive one message after the other.
@Suite struct `Busy sessions` {
    @Test func `are so from their 64th message until they rest`() throws {
        let pair = try SessionPair.established()
        pair.sendMessages(63)
        #expect(!pair.server.session.isBusy)
        pair.sendMessages(1)
        #expect(pair.server.session.isBusy)
        #expect(pair.server.wire.busySessionCount == 1)
        pair.server.session.rest()
        #expect(!pair.server.session.isBusy)
        #expect(pair.server.wire.busySessionCount == 0)
        pair.sendMessages(63)
        #expect(!pair.server.session.isBusy)
        pair.sendMessages(1)
        #expect(pair.server.session.isBusy)
        #expect(pair.server.received.count == 128)
    }

    // Alone in its process, where nobody has asked OpenSSL for memory before. From OpenSSL 3.2 on
    // records have a mode of their own.
    @Test(.enabled(if: OpenSSL_version_num() < 0x3020_0000))
    func `keep both buffers, and give them back when they rest`() async {
        await #expect(processExitsWith: .success) {
            try #require(Buffers.count())
            let pair = try SessionPair.established()
            func exchange(_ count: Int) {
                pair.sendMessages(count)
                pair.server.send([1])
                _ = pair.server.takeOutput()
            }
            exchange(10)
            try #require(unsafe Buffers.living.isEmpty)
            exchange(64)
            try #require(unsafe Buffers.living.count == 2)
            pair.server.session.rest()
            try #require(unsafe Buffers.living.isEmpty)
            exchange(1)
            try #require(unsafe Buffers.living.isEmpty)
        }
    }

    @Test(arguments: 1...24)
    func `lose nothing when they rest in the midst of a record`(cut: Int) throws {
        let pair = try SessionPair.established()
        pair.sendMessages(64)
        pair.client.send([1, 2, 3])
        let record = pair.client.takeOutput()
        try #require(cut < record.count)
        pair.server.receive(Array(record.prefix(cut)))
        pair.server.session.rest()
        pair.server.receive(Array(record.dropFirst(cut)))
        #expect(pair.server.received.suffix(3) == [1, 2, 3])
        #expect(!pair.server.session.isBusy)
    }

    @Test func `are none that a peer makes of one message in pieces`() throws {
        let pair = try SessionPair.established()
        pair.client.send(Array(repeating: 1, count: 100))
        for byte in pair.client.takeOutput() { pair.server.receive([byte]) }
        #expect(pair.server.received.count == 100)
        #expect(!pair.server.session.isBusy)
    }

    @Test func `are none any more once they have ended`() throws {
        let wire = TLSWire()
        let stays = try SessionPair.established(on: wire)
        do {
            let goes = try SessionPair.established(on: wire)
            goes.sendMessages(64)
            stays.sendMessages(64)
            #expect(wire.busySessionCount == 2)
        }
        #expect(wire.busySessionCount == 1)
        stays.server.session.rest()
        #expect(wire.busySessionCount == 0)
    }

    @Test func `are 256 on a wire, and those that receive nothing make room`() throws {
        let wire = TLSWire()
        let server = try Credentials.shared.context()
        let pairs = try (0..<257).map { _ in
            try SessionPair.established(server: server, on: wire)
        }
        let late = try #require(pairs.last)
        for pair in pairs { pair.sendMessages(64) }
        #expect(pairs.dropLast().allSatisfy { $0.server.session.isBusy })
        #expect(!late.server.session.isBusy)
        // Each try looks at one of them, and the second look finds one that was silent.
        var tryCount = 1
        while !late.server.session.isBusy, tryCount < 1_000 {
            pairs[0].sendMessages(1)
            late.sendMessages(64)
            tryCount += 1
        }
        #expect(tryCount == 258)
        #expect(late.server.session.isBusy && pairs[0].server.session.isBusy)
        #expect(pairs.filter { $0.server.session.isBusy }.count == 256)
        #expect(wire.busySessionCount == 256)
    }

    @Test func `are those that the wire knows of, whoever has left`() throws {
        let wire = TLSWire()
        let server = try Credentials.shared.context()
        var pairs: [Int: SessionPair] = [:]
        for number in 0..<258 {
            pairs[number] = try .established(server: server, on: wire)
        }
        func busy() -> Set<Int> { Set(pairs.filter { $0.value.server.session.isBusy }.keys) }

        for number in 0..<256 { pairs[number]?.sendMessages(64) }
        // The last one takes the place of each that leaves, and leaves from there.
        for number in [3, 255, 0] { pairs[number]?.server.session.rest() }
        #expect(busy() == Set(0..<256).subtracting([0, 3, 255]))
        #expect(wire.busySessionCount == 253)
        pairs[254] = nil
        pairs[10] = nil
        for number in [256, 257, 3, 0, 255] { pairs[number]?.sendMessages(64) }
        #expect(busy() == Set(pairs.keys))
        #expect(wire.busySessionCount == 256)

        // Two late ones, and then whoever had to make room, until all places were taken over.
        for number in [300, 301] { pairs[number] = try .established(server: server, on: wire) }
        var madeRoom: Set<Int> = []
        for _ in 0..<(3 * 256) {
            let late = try #require(Set(pairs.keys).subtracting(busy()).min())
            pairs[late]?.sendMessages(64)
            #expect(busy().count == 256 && wire.busySessionCount == 256)
            madeRoom.formUnion(Set(pairs.keys).subtracting(busy()))
        }
        #expect(madeRoom == Set(pairs.keys))
    }
}

/// Memory of a record's size that OpenSSL has.
private enum Buffers {
    // Of a process that is one thread, as far as OpenSSL is concerned.
    nonisolated(unsafe) static var living = unsafe Set<UnsafeMutableRawPointer>()

    /// Counts from now on; false where OpenSSL has memory already.
    static func count() -> Bool {
        unsafe CRYPTO_set_mem_functions(
            { size, _, _ in
                let memory = unsafe malloc(size)
                if size > 16_384, let memory = unsafe memory {
                    unsafe _ = Buffers.living.insert(memory)
                }
                return unsafe memory
            },
            { memory, size, _, _ in unsafe realloc(memory, size) },
            { memory, _, _ in
                if let memory = unsafe memory { unsafe _ = Buffers.living.remove(memory) }
                unsafe free(memory)
            }
        ) == 1
    }
}
