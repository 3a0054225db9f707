// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusTLS
import COpenSSL
import Testing

/// OpenSSL has a list of errors for each thread, which all of its sessions share.
@Suite struct `Errors of other sessions` {
    /// What anything else on this thread may leave behind.
    private static func leaveError() {
        #expect(unsafe BIO_new_file("/nowhere/at all", "r") == nil)
        #expect(ERR_peek_error() != 0)
    }

    /// Ways to fail, after which the thread has to be as before.
    private static let failures: [@Sendable () throws -> Void] = [
        {
            let pair = try SessionPair.established()
            pair.client.send([1, 2, 3])
            var record = pair.client.takeOutput()
            record[record.count - 1] ^= 1
            #expect(pair.server.receive(record) == .failed)
        },
        {
            let server = try Endpoint(server: Credentials.shared.context())
            #expect(server.receive(Array("GET / HTTP/1.1\r\n\r\n".utf8)) == .failed)
        },
        {
            let pair = try SessionPair(client: .client(trust: .system))
            pair.talk()
            #expect(pair.client.session.failure?.fault == .certificate)
        },
        {
            let context = try TLSContext.client(trust: .anyone)
            #expect(throws: TLSSetupError.self) {
                try TLSSession.client(context, host: ".", on: TLSWire())
            }
        },
    ]

    @Test(arguments: failures.indices)
    func `are forgotten with them`(index: Int) throws {
        let other = try SessionPair.established()
        other.client.send([1, 2, 3])
        let record = other.client.takeOutput()
        ERR_clear_error()
        try Self.failures[index]()
        #expect(ERR_peek_error() == 0)
        #expect(other.server.receive(Array(record[..<9])) == [])
        #expect(other.server.receive(Array(record[9...])) == [])
        #expect(other.server.received == [1, 2, 3])
        #expect(other.server.send([4]))
    }

    @Test func `that are left behind are no cause of a failure`() throws {
        let pair = try SessionPair.established()
        pair.client.send([1, 2, 3])
        var record = pair.client.takeOutput()
        record[record.count - 1] ^= 1
        Self.leaveError()
        #expect(pair.server.receive(record) == .failed)
        #expect(pair.server.session.failure?.fault == .violation)
        #expect(pair.server.session.failure?.alert == "bad record mac")
    }

    @Test func `that are left behind fail none`() throws {
        let pair = try SessionPair()
        // All that is received comes in halves: the first one has to wait for the second.
        func deliver(_ bytes: [UInt8], to endpoint: Endpoint) {
            for half in [bytes[..<(bytes.count / 2)], bytes[(bytes.count / 2)...]] {
                Self.leaveError()
                endpoint.receive(Array(half))
            }
        }
        for _ in 0..<3 {
            deliver(pair.client.takeOutput(), to: pair.server)
            deliver(pair.server.takeOutput(), to: pair.client)
        }
        #expect(pair.client.session.isEstablished && pair.server.session.isEstablished)
        Self.leaveError()
        #expect(pair.client.send([1, 2, 3]))
        deliver(pair.client.takeOutput(), to: pair.server)
        #expect(pair.server.received == [1, 2, 3])
        Self.leaveError()
        #expect(pair.client.session.updateKeys())
        Self.leaveError()
        pair.client.session.close()
        deliver(pair.client.takeOutput(), to: pair.server)
        #expect(pair.server.events == [.established, .closed])
        ERR_clear_error()
    }
}
