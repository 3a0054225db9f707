// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusTLS
import ApusTestSupport
import Testing

@Suite struct TLSSessionTests {
    @Test func `client and server agree on TLS 1.3, and hear each other`() throws {
        let pair = try SessionPair.established()
        #expect(pair.server.session.version == "TLSv1.3")
        #expect(pair.client.session.cipher == "TLS_AES_128_GCM_SHA256")
        #expect(!pair.server.session.isResumed)
        pair.client.send(Array("hello".utf8))
        pair.server.send(Array("good day".utf8))
        pair.talk()
        #expect(pair.server.received == Array("hello".utf8))
        #expect(pair.client.received == Array("good day".utf8))
        #expect(pair.server.events == .established)
    }

    @Test(arguments: [1, 2, 5, 6, 17, 100, 1000])
    func `a handshake and its data may come in pieces of any size`(byteCount: Int) throws {
        let pair = try SessionPair()
        pair.pieceByteCountMax = byteCount
        pair.talk()
        #expect(pair.server.session.isEstablished && pair.client.session.isEstablished)
        let message = (0..<40_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        pair.client.send(message)
        pair.talk()
        #expect(pair.server.received == message)
    }

    @Test func `a client's flights may be cut anywhere`() throws {
        let context = try Credentials.shared.context()
        let hello = try Endpoint(client: .client(trust: .anyone)).takeOutput()
        for split in EverySplit.inTwo(hello.count) {
            let server = try Endpoint(server: context)
            for range in split {
                #expect(server.receive(Array(hello[range])) == [])
            }
            #expect(!server.takeOutput().isEmpty, "no answer to a hello cut at \(split[0].count)")
        }
    }

    @Test func `data that comes with the end of the handshake is not lost`() throws {
        let pair = try SessionPair()
        pair.server.receive(pair.client.takeOutput())
        pair.client.receive(pair.server.takeOutput())
        pair.client.send([1, 2, 3])
        #expect(pair.server.receive(pair.client.takeOutput()) == .established)
        #expect(pair.server.received == [1, 2, 3])
    }

    @Test func `nothing is sent before the handshake is done`() throws {
        let server = try Endpoint(server: Credentials.shared.context())
        #expect(!server.send([1]))
        #expect(server.takeOutput() == [])
        server.session.close()
        #expect(server.takeOutput() == [])
    }

    @Test func `plaintext may be written to where it lies`() throws {
        let pair = try SessionPair.established()
        pair.client.send([1, 2, 3])
        let ciphertext = pair.client.takeOutput()
        unsafe ciphertext.withUnsafeBytes { _ = unsafe pair.server.session.receive($0) }
        unsafe pair.server.wire.plaintext[0] = 9
        #expect(unsafe Array(pair.server.wire.plaintext) == [9, 2, 3])
    }

    @Test(arguments: [".", String(repeating: "a", count: 256)])
    func `client of a host that cannot be is told so`(host: String) throws {
        let context = try TLSContext.client(trust: .anyone)
        let wire = TLSWire()
        #expect(throws: TLSSetupError("no certificate can be for \"\(host.prefix(100))\"")) {
            try TLSSession.client(context, host: host, on: wire)
        }
        #expect(unsafe wire.output.isEmpty)
    }

    // MARK: The end

    @Test func `close_notify is told to the peer, once, behind what was sent`() throws {
        let pair = try SessionPair.established()
        pair.client.send([7])
        pair.client.session.close()
        pair.client.session.close()
        #expect(!pair.client.send([8]))
        pair.talk()
        #expect(pair.server.received == [7])
        #expect(pair.server.events == [.established, .closed])
        #expect(pair.server.session.failure == nil)
        // The other direction goes on.
        #expect(pair.server.send([9]))
    }

    @Test func `a tampered record is refused by an alert, and nothing of it is read`() throws {
        let pair = try SessionPair.established()
        pair.client.send([1, 2, 3, 4])
        var record = pair.client.takeOutput()
        record[record.count - 1] ^= 1
        #expect(pair.server.receive(record) == .failed)
        #expect(pair.server.received == [])
        let failure = try #require(pair.server.session.failure)
        #expect(failure.fault == .violation)
        #expect(failure.alert == "bad record mac")
        #expect(!pair.server.send([1]))
        pair.talk()
        #expect(pair.client.session.failure?.fault == .refused)
        #expect(pair.client.session.failure?.alert == "bad record mac")
    }

    @Test func `what came before a tampered record is read`() throws {
        let pair = try SessionPair.established()
        pair.client.send([1])
        var records = pair.client.takeOutput()
        pair.client.send([2])
        records += pair.client.takeOutput()
        records[records.count - 1] ^= 1
        #expect(pair.server.receive(records) == .failed)
        #expect(pair.server.received == [1])
    }

    @Test(arguments: [
        Array("GET / HTTP/1.1\r\n\r\n".utf8), [0, 0, 0, 0, 0, 0],
        [0x16, 3, 1, 0xFF, 0xFF, 1], [0x17, 3, 3, 0, 2, 1, 1], Array(repeating: 0x16, count: 600),
    ])
    func `what is no TLS fails at once`(bytes: [UInt8]) throws {
        let server = try Endpoint(server: Credentials.shared.context())
        #expect(server.receive(bytes) == .failed)
        #expect(server.session.failure?.fault == .violation)
        #expect(server.receive(bytes) == .failed)
    }

    // MARK: Floods

    @Test func `a handshake that goes on and on ends at 64 KiB`() throws {
        let server = try Endpoint(server: Credentials.shared.context())
        // A hello of 131,071 bytes in records of 16 KiB, which may be one.
        var isFirst = true
        var byteCount = 0
        while !server.events.contains(.failed), byteCount < 1 << 20 {
            var record: [UInt8] = [0x16, 3, 1, 0x40, 0] + Array(repeating: 0, count: 0x4000)
            if isFirst { record[5...8] = [1, 1, 0xFF, 0xFF] }
            isFirst = false
            server.receive(record)
            byteCount += record.count
        }
        #expect(server.events == .failed)
        #expect(byteCount <= 80 << 10)
    }

    @Test func `new keys are taken, and asking for them again and again ends it`() throws {
        let pair = try SessionPair.established()
        #expect(pair.client.session.updateKeys())
        pair.client.send([1])
        pair.talk()
        pair.server.send([2])
        pair.talk()
        #expect(pair.server.received == [1])
        #expect(pair.client.received == [2])

        var count = 0
        while !pair.server.events.contains(.failed), count < 10_000 {
            #expect(pair.client.session.updateKeys())
            count += 1
            pair.server.receive(pair.client.takeOutput())
        }
        #expect(pair.server.session.failure?.fault == .flood)
    }

    @Test func `a megabyte of data is no flood`() throws {
        let pair = try SessionPair.established()
        let piece = Array(repeating: UInt8(5), count: 16_384)
        for _ in 0..<64 {
            pair.client.send(piece)
            #expect(pair.server.receive(pair.client.takeOutput()) == [])
        }
        #expect(pair.server.received.count == 64 * 16_384)
    }
}
