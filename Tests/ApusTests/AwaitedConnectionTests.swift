// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusCodec
import CApusSystem
import Glibc
import HTTPTypes
import Testing

/// Connections that a task waits for.
///
/// Tasks run on the one worker of a process, so each test has a process of its own.
@Suite struct `Awaited connections` {
    /// A task of the worker, and what came of it.
    @WorkerActor
    private final class Errand<Value> {
        var result: Result<Value, any Error>?
        var task: Task<Void, Never>?

        init(_ body: @escaping @WorkerActor () async throws -> Value) {
            task = Task { @WorkerActor in
                do {
                    result = .success(try await body())
                } catch {
                    result = .failure(error)
                }
            }
        }

        /// What it threw, as text.
        var failure: String? {
            if case .failure(let error) = result { "\(error)" } else { nil }
        }
    }

    @Test func `messages that came with the response are not lost`() async {
        await #expect(processExitsWith: .success) {
            try inWorker {
                let test = ClientWorld.withTasks()
                test.prepare = { server in
                    server.greeting =
                        [1, 2, 3].flatMap { VirtualServer.frame(2, [$0]) }
                        + VirtualServer.frame(9, [7]) + VirtualServer.frame(8, [3, 233])
                }
                var received: [[UInt8]] = []
                var closeCode: CloseCode?
                let errand = Errand {
                    let connection = try await test.client.open("ws://10.0.0.1/", protocols: ["a"])
                    #expect(connection.protocol == "a")
                    #expect(!connection.isPaused)
                    #expect(received.isEmpty)
                    connection.onMessage { received.append($0.binaryData ?? []) }
                    connection.onClose { code, _ in closeCode = code }
                }
                try test.run { closeCode != nil }
                #expect(errand.failure == nil)
                #expect(received == [[1], [2], [3]])
                #expect(closeCode == .goingAway)
                try test.run { test.servers[0].closeCode == 1001 }
                #expect(test.servers[0].frames.contains { $0.opcode == 10 && $0.payload == [7] })
                #expect(test.connections.isEmpty, "the client's handler is not called")
                try test.run { test.world.ring.sockets.isEmpty }
                test.expectNothingHeld()
            }
        }
    }

    @Test func `what comes to nothing is thrown`() async {
        await #expect(processExitsWith: .success) {
            try inWorker {
                let test = ClientWorld.withTasks()
                test.client.onHTTPResponse { _ in Issue.record("the handler is not called") }
                var errands: [Errand<WebSocketConnection>] = []
                test.prepare = { server in
                    server.response = Array("HTTP/1.1 404 a\r\nX: y\r\n\r\n".utf8)
                }
                for url in ["ws://10.0.0.1/", "ws://10.0.0.1:81/", "http://a"] {
                    errands.append(Errand { try await test.client.open(url) })
                }
                test.answers[81] = .refusal(111)
                try test.run { errands.allSatisfy { $0.result != nil } }
                guard case .failure(ConnectFailure.httpResponse(let response)) = errands[0].result
                else {
                    Issue.record("\(String(describing: errands[0].result))")
                    return
                }
                #expect(response.status == .notFound && response.headerFields.count == 1)
                #expect(errands[1].failure == "\(ConnectFailure.refused(errno: 111))")
                #expect(errands[2].failure?.contains("schemeNotWebSocket") == true)
                #expect(test.failures.isEmpty)
                try test.run { test.world.ring.sockets.isEmpty }
                test.expectNothingHeld()
            }
        }
    }

    @Test func `task that is canceled ends its attempt`() async {
        await #expect(processExitsWith: .success) {
            try inWorker {
                let test = ClientWorld.withTasks()
                test.prepare = { $0.answersRequest = false }
                let errand = Errand { try await test.client.open("ws://10.0.0.1/") }
                try test.run { test.servers.first?.request != nil }
                errand.task?.cancel()
                try test.run { errand.result != nil }
                #expect(errand.failure == "CancellationError()")
                try test.run { test.world.ring.sockets.isEmpty }
                test.expectNothingHeld()
                #expect(test.servers[0].isOver)

                // Before it began, and when the connection was open already.
                let early = Errand { try await test.client.open("ws://10.0.0.1/") }
                early.task?.cancel()
                try test.run { early.result != nil }
                #expect(early.failure == "CancellationError()")
                #expect(test.servers.count == 1)
                let late = Errand { try await test.client.open("ws://10.0.0.1/") }
                test.prepare = { _ in }
                try test.run { test.world.driver.counters.connectionsOpened == 1 }
                late.task?.cancel()
                try test.run { late.result != nil }
                // Whichever was first, nothing stays.
                if case .success(let connection) = late.result { connection.close() }
                try test.run { test.world.ring.sockets.isEmpty }
                test.expectNothingHeld()
            }
        }
    }

    @Test func `abort and the worker's end are thrown as such`() async {
        await #expect(processExitsWith: .success) {
            try inWorker {
                let test = ClientWorld.withTasks()
                test.prepare = { $0.answersRequest = false }
                let first = Errand { try await test.client.open("ws://10.0.0.1/") }
                try test.run { test.servers.count == 1 }
                test.client.abort()
                try test.run { first.result != nil }
                #expect(first.failure == "\(ConnectFailure.aborted)")
                let second = Errand { try await test.client.open("ws://10.0.0.1/") }
                try test.run { test.servers.count == 2 }
                test.world.driver.beginDrain()
                try test.run { second.result != nil }
                #expect(second.failure == "\(ConnectFailure.shuttingDown)")
                try test.run { test.world.ring.sockets.isEmpty }
                test.expectNothingHeld()
            }
        }
    }

    @Test func `connection that breaks before its task goes on is a failure`() async {
        await #expect(processExitsWith: .success) {
            try inWorker {
                let test = ClientWorld.withTasks()
                test.prepare = { server in
                    server.greeting = VirtualServer.frame(1, [0x61])
                }
                let driver = test.world.driver
                let errand = Errand { try await test.client.open("ws://10.0.0.1/") }
                try test.run { driver.table.count == 1 }
                let connection = driver.table.all[0]
                while connection.webSocket == nil { try test.turnWithoutTasks() }
                if let webSocket = connection.webSocket { driver.drop(webSocket, reason: "") }
                try test.run { errand.result != nil }
                #expect(errand.failure == "\(ConnectFailure.connectionLost)")
                try test.run { test.world.ring.sockets.isEmpty }
                test.expectNothingHeld()
            }
        }
    }
}

extension ClientWorld {
    /// A worker that tasks run on.
    fileprivate static func withTasks() -> ClientWorld {
        let test = ClientWorld(executor: WorkerActor.shared.loop)
        test.world.ring.turnCountMax = .max
        return test
    }

    /// A turn, but for the tasks.
    fileprivate func turnWithoutTasks() throws {
        let driver = world.driver
        driver.prepareWait()
        let count = try driver.ring.wait(nanosecondsMax: nil)
        driver.settleSends(count)
        for index in 0..<count { driver.complete(driver.ring.completion(at: index)) }
    }

    /// Turns until the condition holds.
    ///
    /// A task may come back from another thread, so time, which is
    /// virtual, stands still; only a test that fails waits for long.
    fileprivate func run(
        sourceLocation: SourceLocation = #_sourceLocation,
        until condition: () -> Bool
    ) throws {
        world.ring.isObserved = { true }
        let start = apus_clock_monotonic()
        while !condition() {
            try #require(
                apus_clock_monotonic() - start < 20_000_000_000,
                "it takes too long",
                sourceLocation: sourceLocation
            )
            try world.turn()
            sched_yield()
        }
    }
}
