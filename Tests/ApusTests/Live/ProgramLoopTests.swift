// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusCodec
import ApusProtocol
import ApusRing
import ApusSupervisor
import Glibc
import Testing

/// The loop of a program without a server, each in a process of its own.
@Suite struct `Loop of a program` {
    @Test func `gives what its operation returns, again and again`() async {
        await #expect(processExitsWith: .success) {
            func run() throws {
                struct Mistake: Error {}
                for round in 0..<3 {
                    #expect(try WorkerActor.run { round } == round)
                    #expect(throws: Mistake.self) { try WorkerActor.run { throw Mistake() } }
                    #expect(throws: RingError(operation: "ours", errno: 1)) {
                        try WorkerActor.run { throw RingError(operation: "ours", errno: 1) }
                    }
                }
            }
            try run()
        }
    }

    @Test func `goes on where other threads resume its tasks`() async {
        await #expect(processExitsWith: .success) {
            func run() throws {
                let (sum, threads) = try WorkerActor.run {
                    var threads = Set([pthread_self()])
                    var sum = 0
                    for number in 0..<20 {
                        try await Task.sleep(nanoseconds: 1000)
                        sum += await Task.detached { number }.value
                        threads.insert(pthread_self())
                    }
                    let tasks = (0..<20).map { _ in
                        Task {
                            await Task.yield()
                            sum += 1
                        }
                    }
                    for task in tasks { await task.value }
                    return (sum, threads)
                }
                #expect(sum == 210)
                #expect(threads == [pthread_self()])
            }
            try run()
        }
    }

    @Test func `uses up no descriptors`() async {
        await #expect(processExitsWith: .success) {
            func run() throws {
                func next() -> Int32 {
                    let descriptor = Glibc.dup(0)
                    Glibc.close(descriptor)
                    return descriptor
                }
                try WorkerActor.run {}
                let before = next()
                for _ in 0..<50 { try WorkerActor.run { await Task.yield() } }
                // Others in this process may open a few.
                #expect(next() < before + 20)
            }
            try run()
        }
    }

    @Test func `leaves no loop behind`() async {
        await #expect(processExitsWith: .success) {
            func run() throws {
                let client = WebSocketClient()
                try WorkerActor.run {}
                WorkerActor.assumeIsolated {
                    do throws(WebSocketError) {
                        try client.connect("ws://127.0.0.1/")
                        Issue.record("there is a loop")
                    } catch {
                        #expect(error == .noWorker)
                    }
                }
            }
            try run()
        }
    }

    @Test func `is told of a name by the thread that looked it up`() async {
        await #expect(processExitsWith: .success) {
            func run() throws {
                let count = try WorkerActor.run {
                    await withCheckedContinuation { continuation in
                        AddressLookup.begin("127.0.0.1", port: 80) {
                            continuation.resume(returning: $0.count)
                        }
                    }
                }
                #expect(count == 1)
            }
            try run()
        }
    }

    @Test func `setting that makes no sense is thrown`() async {
        await #expect(processExitsWith: .success) {
            func run() {
                var configuration = ServerConfiguration()
                configuration.maxSendQueue = 0
                do {
                    try WorkerActor.run(configuration: configuration) {}
                    Issue.record("not refused")
                } catch {
                    #expect((error as? ServerError)?.code == .configuration)
                }
            }
            run()
        }
    }

    @Test func `second loop at the same time traps`() async {
        await #expect(processExitsWith: .failure) {
            func nested() throws { try WorkerActor.run {} }
            func run() throws { try WorkerActor.run { try nested() } }
            try run()
        }
    }

    @Test func `attempt that is under way ends with the loop`() async {
        await #expect(processExitsWith: .success) {
            func run() throws {
                let path = "/tmp/apus-loop-\(getpid()).sock"
                let listener = try ListenerSet.open(ListenerSpec(.unix(path: path)), slots: 1)
                defer { listener.close() }
                var configuration = ClientConfiguration()
                configuration.route = .unixSocket(path: path)
                let client = WebSocketClient(configuration: configuration)
                let attempt = try WorkerActor.run {
                    let task = Task { try await client.open("ws://localhost/") }
                    await Task.yield()
                    // The kernel connects it, and nobody answers.
                    return task
                }
                // It stood still when the loop ended, and goes on with the next one.
                let told = try WorkerActor.run {
                    do {
                        _ = try await attempt.value
                        return "connected"
                    } catch {
                        return "\(error)"
                    }
                }
                #expect(told == "\(ConnectFailure.shuttingDown)")
            }
            try run()
        }
    }

    @Test func `attempt that was canceled as the loop ended is not asked for by the next one`()
        async
    {
        await #expect(processExitsWith: .success) {
            func run() throws {
                let client = WebSocketClient()
                let attempt = try WorkerActor.run {
                    // No server is asked for a name with an empty label.
                    let task = Task { try await client.open("ws://a..b/") }
                    await Task.yield()
                    task.cancel()
                    return task
                }
                let outcome = try WorkerActor.run { await attempt.result }
                #expect(throws: (any Error).self) { try outcome.get() }
            }
            try run()
        }
    }
}
