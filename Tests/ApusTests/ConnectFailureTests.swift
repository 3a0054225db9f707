// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusCodec
import ApusProtocol
import ApusRing
import ApusTestSupport
import CApusSystem
import Glibc
import HTTPTypes
import Testing

@Suite struct `Connects that fail` {
    /// What a server does to an attempt, and what the client is told.
    struct Mishap: CustomTestStringConvertible {
        let testDescription: String
        let failure: ConnectFailure
        let prepare: @Sendable (VirtualServer) -> Void

        init(
            _ name: String,
            _ failure: ConnectFailure,
            _ prepare: @escaping @Sendable (VirtualServer) -> Void
        ) {
            testDescription = name
            self.failure = failure
            self.prepare = prepare
        }

        static func response(_ text: String, _ failure: ConnectFailure) -> Mishap {
            Mishap(text.debugDescription, failure) { $0.response = Array(text.utf8) }
        }
    }

    @Test(arguments: [
        .response(
            "HTTP/1.1 404 Not Found\r\n\r\nbody",
            .httpResponse(HTTPResponse(status: .notFound))
        ),
        .response("SSH-2.0-x\r\n", .invalidResponse(.malformedStatusLine)),
        .response("HTTP/1.1 101 a\r\n\r\n", .invalidResponse(.upgradeMissing)),
        Mishap("no answer", .timedOut) { $0.answersRequest = false },
        .response("HTTP/1.1 101 a\r\nUpgrade: web", .timedOut),
        Mishap("an end in place of an answer", .invalidResponse(.connectionClosed)) {
            $0.answersRequest = false
            $0.end()
        },
        Mishap("a reset in place of an answer", .connectionLost) { $0.reset() },
    ])
    func `client is told once what a server did`(mishap: Mishap) throws {
        try inWorker {
            let test = ClientWorld()
            test.prepare = mishap.prepare
            let start = test.world.ring.now
            #expect(try test.fail() == mishap.failure)
            let elapsed = test.world.ring.now - start
            #expect(elapsed == (mishap.failure == .timedOut ? 10_000_000_000 : 0))
            try test.expectIdle()
            try test.world.run(milliseconds: 20_000)
            #expect(test.failures == [mishap.failure])
            #expect(test.connections.isEmpty)
            #expect(test.world.driver.counters.connectsFailed == 1)
        }
    }

    @Test(arguments: [
        (
            ScriptedRing.ConnectAnswer.refusal(ECONNREFUSED),
            ConnectFailure.refused(errno: ECONNREFUSED)
        ),
        (.refusal(ENETUNREACH), .refused(errno: ENETUNREACH)),
        (.silence, .timedOut),
        (.connected(after: 11_000_000_000), .timedOut),
    ])
    func `client is told once why there was no connection`(
        answer: ScriptedRing.ConnectAnswer,
        failure: ConnectFailure
    ) throws {
        try inWorker {
            let test = ClientWorld()
            test.answers[80] = answer
            #expect(try test.fail() == failure)
            try test.expectIdle()
            try test.world.run(milliseconds: 20_000)
            #expect(test.failures == [failure])
        }
    }

    @Test func `handler is never called before connect has returned`() throws {
        try inWorker {
            let test = ClientWorld()
            test.world.ring.descriptorsShortUntil = .max
            try test.client.connect("ws://10.0.0.1/")
            #expect(test.failures.isEmpty)
            try test.world.run { test.failures == [.refused(errno: EMFILE)] }
            test.expectNothingHeld()
        }
    }

    @Test func `handler may connect again`() throws {
        try inWorker {
            let test = ClientWorld()
            test.answers[80] = .refusal(ECONNREFUSED)
            var failureCount = 0
            test.client.onConnectFailed { _ in
                failureCount += 1
                try test.client.connect(failureCount < 5 ? "ws://10.0.0.1/" : "ws://10.0.0.1:81/")
            }
            try test.client.connect("ws://10.0.0.1/")
            try test.world.run { test.connections.count == 1 }
            #expect(failureCount == 5)
        }
    }

    @Test func `response goes to who listens for it, with its fields`() throws {
        try inWorker {
            let test = ClientWorld()
            test.prepare = {
                $0.response = Array(
                    "HTTP/1.1 401 Who are you\r\nWWW-Authenticate: Basic\r\n\r\n".utf8
                )
            }
            var responses: [HTTPResponse] = []
            test.client.onHTTPResponse { responses.append($0) }
            try test.client.connect("ws://10.0.0.1/")
            try test.world.run { responses.count == 1 }
            #expect(responses[0].status.code == 401)
            #expect(responses[0].status.reasonPhrase == "Who are you")
            #expect(responses[0].headerFields[.wwwAuthenticate] == "Basic")
            try test.expectIdle()
            #expect(test.failures.isEmpty)
        }
    }

    // MARK: Ends of our own

    enum Moment: CaseIterable { case dialed, connecting, handshaking }

    @Test(arguments: Moment.allCases)
    func `abort ends an attempt whatever it waits for`(moment: Moment) throws {
        try inWorker {
            let test = ClientWorld()
            test.answers[80] = moment == .connecting ? .silence : nil
            test.prepare = { $0.answersRequest = false }
            try test.client.connect("ws://10.0.0.1/")
            switch moment {
            case .dialed: break
            case .connecting: try test.world.run(milliseconds: 1)
            case .handshaking: try test.world.run { test.servers.first?.request != nil }
            }
            test.client.abort()
            #expect(test.failures == [.aborted])
            test.client.abort()
            try test.world.run(milliseconds: 20_000)
            #expect(test.failures == [.aborted])
            try test.expectIdle()
        }
    }

    @Test func `abort leaves open connections alone`() throws {
        try inWorker {
            let test = ClientWorld()
            let (connection, _) = try test.open()
            test.client.abort()
            try test.world.run(milliseconds: 1000)
            #expect(connection.connected && test.failures.isEmpty)
        }
    }

    @Test(arguments: Moment.allCases)
    func `worker that drains ends attempts`(moment: Moment) throws {
        try inWorker {
            let test = ClientWorld()
            test.answers[80] = moment == .connecting ? .silence : nil
            test.prepare = { $0.answersRequest = false }
            try test.client.connect("ws://10.0.0.1/")
            switch moment {
            case .dialed: break
            case .connecting: try test.world.run(milliseconds: 1)
            case .handshaking: try test.world.run { test.servers.first?.request != nil }
            }
            try test.world.drain()
            #expect(test.failures == [.shuttingDown])
            test.expectNothingHeld()
            #expect(throws: WebSocketError.noWorker) { try test.client.connect("ws://10.0.0.1/") }
        }
    }

    // MARK: Mistakes of the caller

    @Test(arguments: [
        "http://10.0.0.1/", "ws://", "ws://10.0.0.1/#a", "ws://a@10.0.0.1/", "wss://10.0.0.1/#a",
        "ws://10.0.0.1/\r\nX: y",
    ])
    func `URL that cannot be connected to is refused`(url: String) throws {
        inWorker {
            let test = ClientWorld()
            do throws(WebSocketError) {
                try test.client.connect(url)
                Issue.record("not refused")
            } catch {
                guard case .invalidRequest = error else {
                    Issue.record("\(error)")
                    return
                }
            }
            test.expectNothingHeld()
        }
    }

    @Test func `request that no server may be sent is refused`() throws {
        try inWorker {
            let test = ClientWorld()
            for protocols in [["a b"], ["a", "a"]] {
                #expect(throws: WebSocketError.self) {
                    try test.client.connect("ws://10.0.0.1/", protocols: protocols)
                }
            }
            #expect(throws: WebSocketError.self) {
                try test.client.connect("ws://10.0.0.1/", origin: "a\r\nb")
            }
            let upgrade = try #require(HTTPField.Name("Upgrade"))
            #expect(throws: WebSocketError.self) {
                try test.client.connect("ws://10.0.0.1/", fields: [upgrade: "h2c"])
            }
            test.expectNothingHeld()
        }
    }

    @Test func `client without a worker says so`() throws {
        inWorker {
            let client = WebSocketClient()
            #expect(throws: WebSocketError.noWorker) { try client.connect("ws://10.0.0.1/") }
            client.abort()
        }
    }

    @Test func `every failure is told in a sentence`() {
        let failures: [ConnectFailure] = [
            .nameNotFound("a"), .refused(errno: ECONNREFUSED), .connectionLost,
            .invalidResponse(.acceptWrong), .httpResponse(HTTPResponse(status: .notFound)),
            .timedOut, .aborted, .shuttingDown,
        ]
        #expect(Set(failures.map(\.description)).count == failures.count)
        #expect(ConnectFailure.refused(errno: ECONNREFUSED).description.contains("refused"))
        #expect(
            failures.allSatisfy { $0.description.hasSuffix(".") || $0.description.hasSuffix(")") }
        )
    }
}

@Suite struct `Look-ups of names` {
    private func addresses(_ port: UInt16, _ hosts: String...) -> [apus_address] {
        hosts.flatMap { AddressLookup.known($0, port: port) }
    }

    @Test(arguments: [
        ("127.0.0.1", 1), ("::1", 1), ("localhost", 2), ("LocalHost", 2), ("example.com", 0),
        ("1.2.3.4.5", 0),
    ])
    func `addresses and localhost are known at once`(host: String, count: Int) {
        #expect(AddressLookup.known(host, port: 80).count == count)
    }

    @Test func `addresses are tried one after the other`() throws {
        try inWorker {
            let test = ClientWorld()
            test.world.driver.lookUp = { host, port, done in
                #expect(host == "example.com" && port == 81)
                done(addresses(81, "10.0.0.1", "10.0.0.2", "10.0.0.3"))
            }
            var tried: [[UInt8]] = []
            let answer = test.world.ring.answerConnect
            test.world.ring.answerConnect = { address, socket in
                tried.append(Array(address[4..<8]))
                return address[7] < 3 ? .refusal(ECONNREFUSED) : answer(address, socket)
            }
            let (connection, server) = try test.open("ws://example.com:81/")
            #expect(tried == [[10, 0, 0, 1], [10, 0, 0, 2], [10, 0, 0, 3]])
            #expect(connection.remoteAddress == "10.0.0.3")
            #expect(server.field("Host") == "example.com:81")
            #expect(test.failures.isEmpty)
        }
    }

    @Test func `last address that fails tells why`() throws {
        try inWorker {
            let test = ClientWorld()
            test.world.driver.lookUp = { _, _, done in
                done(addresses(80, "10.0.0.1", "10.0.0.2"))
            }
            test.world.ring.answerConnect = { address, _ in
                .refusal(address[7] == 1 ? ECONNREFUSED : EHOSTUNREACH)
            }
            #expect(try test.fail("ws://example.com/") == .refused(errno: EHOSTUNREACH))
            try test.expectIdle()
        }
    }

    @Test func `name without an address is told`() throws {
        try inWorker {
            let test = ClientWorld()
            test.world.driver.lookUp = { _, _, done in done([]) }
            try test.client.connect("ws://nowhere.invalid/")
            #expect(test.failures == [.nameNotFound("nowhere.invalid")])
            test.expectNothingHeld()
        }
    }

    enum End: CaseIterable { case timeout, abort, drain }

    @Test(arguments: End.allCases)
    func `look-up that ends too late is ignored`(end: End) throws {
        try inWorker {
            let test = ClientWorld()
            var answer: (@WorkerActor ([apus_address]) -> Void)?
            test.world.driver.lookUp = { _, _, done in answer = done }
            try test.client.connect("ws://example.com/")
            let failure: ConnectFailure
            switch end {
            case .timeout:
                failure = .timedOut
                try test.world.run(milliseconds: 10_000)
            case .abort:
                failure = .aborted
                test.client.abort()
            case .drain:
                failure = .shuttingDown
                try test.world.drain()
            }
            #expect(test.failures == [failure])
            test.expectNothingHeld()
            let tell = try #require(answer)
            tell(addresses(80, "10.0.0.1"))
            if end != .drain { try test.world.run(milliseconds: 20_000) }
            #expect(test.failures == [failure])
            #expect(test.servers.isEmpty)
            test.expectNothingHeld()
        }
    }

    /// The real resolver on its thread; a literal address, so that no name server is asked.
    @Test func `look-up on a thread of its own tells on the worker's loop`() throws {
        inLoop {
            var found: [apus_address]?
            AddressLookup.begin("127.0.0.1", port: 80) { found = $0 }
            #expect(found == nil)
            let start = apus_clock_monotonic()
            while found == nil, apus_clock_monotonic() - start < 10_000_000_000 {
                WorkerActor.shared.loop.runJobs()
                sched_yield()
            }
            #expect(found?.count == 1)
        }
    }
}
