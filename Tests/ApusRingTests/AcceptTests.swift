// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusRing
import Glibc
import Testing

@Suite struct Accepts {
    @Test(arguments: [false, true])
    func `one accept takes one connection`(isNonBlocking: Bool) throws {
        let ring = try Ring(configuration: BufferMode.plain.tiny())
        let listener = try Listener(isNonBlocking: isNonBlocking)
        ring.accept(from: listener.descriptor, tag: .tag(.accept))
        #expect(try ring.ready().isEmpty)
        let clients = [try listener.connect(), try listener.connect()]
        defer { clients.forEach { close($0) } }

        let accepted = try #require(try ring.outcomes(1).first)
        #expect(accepted.kind == .accept)
        #expect(!accepted.hasMore)
        try #require(accepted.result >= 0)
        #expect(fcntl(accepted.result, F_GETFL) & O_NONBLOCK != 0)
        #expect(fcntl(accepted.result, F_GETFD) & FD_CLOEXEC != 0)
        ring.close(accepted.result)
        #expect(try ring.ready().isEmpty)

        ring.accept(from: listener.descriptor, tag: .tag(.accept, slot: 1))
        let second = try #require(try ring.outcomes(1).first)
        try #require(second.result >= 0)
        ring.close(second.result)
    }

    @Test func `accept without a descriptor left fails and takes nobody from the queue`() async {
        await #expect(processExitsWith: .success) {
            let ring = try Ring(configuration: BufferMode.plain.tiny())
            let listener = try Listener()
            let client = try listener.connect()
            var limit = rlimit()
            try #require(unsafe getrlimit(__rlimit_resource_t(7), &limit) == 0)
            let before = limit
            limit.rlim_cur = rlim_t(client) + 1
            try #require(unsafe setrlimit(__rlimit_resource_t(7), &limit) == 0)
            // There may be free ones below.
            while dup(client) >= 0 {}
            ring.accept(from: listener.descriptor, tag: .tag(.accept))
            try #require(try ring.outcomes(1) == [Outcome(.accept, result: -EMFILE)])
            try #require(throws: SelfTestFailure.self) { try ring.selfTest() }
            try #require(RingReport.inspect().setupErrno == EMFILE)
            #expect(throws: RingError(operation: "io_uring_setup", errno: EMFILE)) {
                _ = try Ring()
            }

            limit = before
            try #require(unsafe setrlimit(__rlimit_resource_t(7), &limit) == 0)
            ring.accept(from: listener.descriptor, tag: .tag(.accept))
            try #require(try ring.outcomes(1)[0].result > client)
            try ring.selfTest()
        }
    }
}

@Suite struct Addresses {
    @Test(arguments: [
        (Listener.Address.ip4, Listener.Address.ip4, "127.0.0.1"),
        (.ip6, .ip6, "::1"),
        (.ip6Any, .ip4, "127.0.0.1"),
    ])
    func `peer's address is printed as people write it`(
        here: Listener.Address,
        there: Listener.Address,
        text: String
    ) throws {
        let ring = try Ring(configuration: BufferMode.plain.tiny())
        let listener = try Listener(here)
        let client = try listener.connect(there)
        defer { close(client) }
        ring.accept(from: listener.descriptor, tag: .tag(.accept))
        let socket = try #require(try ring.outcomes(1).first).result
        #expect(ring.remoteAddress(of: socket) == text)
        ring.close(socket)
    }

    @Test func `socket without an address or a peer has an empty one`() throws {
        let ring = try Ring(configuration: BufferMode.plain.tiny())
        let stream = try Stream(.unix)
        #expect(ring.remoteAddress(of: stream.ours).isEmpty)
        let listener = try Listener()
        #expect(ring.remoteAddress(of: listener.descriptor).isEmpty)
    }
}
