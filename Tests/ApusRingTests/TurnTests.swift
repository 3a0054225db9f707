// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusRing
import Glibc
import Testing

@Suite struct Turns {
    @Test func `time that runs out and a look without waiting complete nothing`() throws {
        let ring = try Ring(configuration: BufferMode.plain.tiny())
        let stream = try Stream()
        #expect(try ring.wait(nanosecondsMax: 0) == 0)
        #expect(try ring.wait(nanosecondsMax: 1) == 0)
        ring.receive(on: stream.ours, tag: .tag(.receive))
        #expect(try ring.wait(nanosecondsMax: 2_000_000) == 0)
        #expect(stream.peerSends([1]) == 1)
        #expect(try ring.wait(nanosecondsMax: .max) == 1)
    }

    @Test func `ready completions are not waited for`() throws {
        let ring = try Ring(configuration: BufferMode.plain.tiny(submissionEntries: 2))
        let stream = try Stream()
        // The third is handed in with room made by the first two, which complete by that.
        for slot in UInt32(0)..<3 {
            ring.awaitWritable(stream.ours, tag: .tag(.writable, slot: slot))
        }
        let count = try ring.wait(nanosecondsMax: nil)
        #expect(count == 3)
    }

    @Test func `signal ends a wait without a completion`() throws {
        let ring = try Ring(configuration: BufferMode.plain.tiny())
        let stream = try Stream()
        ring.receive(on: stream.ours, tag: .tag(.receive))
        let alarm = try Alarm()
        for _ in 0..<3 {
            #expect(try ring.wait(nanosecondsMax: nil) == 0)
        }
        alarm.stop()
        #expect(stream.peerSends([1]) == 1)
        #expect(try ring.outcomes(1) == [Outcome(.receive, result: 1, hasMore: true)])
    }

    @Test func `completion queue of eight loses none of a thousand completions`() throws {
        let ring = try Ring(
            configuration: BufferMode.plain.tiny(submissionEntries: 4, completionEntries: 8)
        )
        #expect(ring.features.completionEntries == 8)
        let stream = try Stream()
        for round in UInt32(0)..<3 {
            for slot in 0..<1000 {
                ring.awaitReadable(
                    stream.ours,
                    tag: .tag(.readable, slot: round * 1000 + UInt32(slot))
                )
            }
            if round == 0 {
                #expect(try ring.ready().isEmpty)
            }
            #expect(stream.peerSends([1]) == 1)
            let slots = try ring.turn().map(\.tag.slot)
            #expect(slots.sorted() == Array(round * 1000..<(round + 1) * 1000))
        }
        #expect(try ring.ready().isEmpty)
    }

    @Test(arguments: BufferMode.allCases)
    func `completion queue of eight loses no bytes`(mode: BufferMode) throws {
        let ring = try Ring(
            configuration: mode.tiny(submissionEntries: 4, completionEntries: 8)
        )
        let count = 50
        var receivers: [Receiver] = []
        var peers: [Int32] = []
        defer {
            for descriptor in peers + receivers.map(\.socket) {
                close(descriptor)
            }
        }
        for slot in 0..<count {
            var ends: [Int32] = [-1, -1]
            try #require(unsafe socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
            receivers.append(Receiver(ends[0], slot: UInt32(slot), on: ring))
            peers.append(ends[1])
            try #require(unsafe send(ends[1], pattern(500, from: slot), 500, 0) == 500)
            shutdown(ends[1], Int32(SHUT_WR))
        }
        while receivers.contains(where: { !$0.isOver }) {
            for completion in try ring.turn() {
                receivers[Int(completion.tag.slot)].take(completion, on: ring)
            }
        }
        #expect(receivers.map(\.bytes) == (0..<count).map { pattern(500, from: $0) })
        #expect(ring.lentBufferCount == 0)
    }

    @Test func `cancelled receive and its cancel both complete, and the bytes stay`() throws {
        let ring = try Ring(configuration: BufferMode.incremental.tiny())
        let stream = try Stream()
        ring.receive(on: stream.ours, tag: .tag(.receive))
        #expect(try ring.ready().isEmpty)
        ring.cancel(.tag(.receive), tag: .tag(.cancel))
        let outcomes = try ring.outcomes(2)
        #expect(outcomes.contains(Outcome(.receive, result: -ECANCELED)))
        #expect(outcomes.contains(Outcome(.cancel, result: 0)))

        #expect(stream.peerSends([1, 2, 3]) == 3)
        #expect(try ring.ready().isEmpty)
        var receiver = Receiver(stream.ours, on: ring)
        try receiver.run(on: ring, until: 3)
        #expect(receiver.bytes == [1, 2, 3])
    }

    @Test func `cancel ends the one operation with that tag, or tells that there is none`() throws {
        let ring = try Ring(configuration: BufferMode.plain.tiny())
        let stream = try Stream()
        ring.awaitReadable(stream.ours, tag: .tag(.readable, slot: 1))
        ring.awaitReadable(stream.ours, tag: .tag(.readable, slot: 2))
        ring.cancel(.tag(.readable, slot: 2), tag: .tag(.cancel, slot: 2))
        let outcomes = try ring.outcomes(2)
        #expect(outcomes.contains(Outcome(.readable, slot: 2, result: -ECANCELED)))
        #expect(outcomes.contains(Outcome(.cancel, slot: 2, result: 0)))
        ring.cancel(.tag(.readable, slot: 2), tag: .tag(.cancel, slot: 3))
        #expect(try ring.outcomes(1) == [Outcome(.cancel, slot: 3, result: -ENOENT)])
        #expect(stream.peerSends([1]) == 1)
        #expect(try ring.turn().map(\.tag.slot) == [1])
    }
}

@Suite struct Endings {
    @Test(arguments: Stream.Family.allCases)
    func `armed receive ends with 0 when its socket is shut down, and closing gives a FIN`(
        family: Stream.Family
    ) throws {
        let ring = try Ring(configuration: BufferMode.incremental.tiny())
        let stream = try Stream(family)
        ring.receive(on: stream.ours, tag: .tag(.receive))
        #expect(try ring.ready().isEmpty)
        ring.shutdownBoth(stream.ours)
        #expect(try ring.outcomes(1) == [Outcome(.receive, result: 0)])
        stream.closeOurs(by: ring)
        #expect(stream.peerSeesEnd())
    }

    @Test(arguments: Stream.Family.allCases)
    func `peer reads to the end of what was sent before our direction ended`(
        family: Stream.Family
    ) throws {
        let ring = try Ring(configuration: BufferMode.plain.tiny())
        let stream = try Stream(family)
        var receiver = Receiver(stream.ours, on: ring)
        #expect(try ring.sendInTurn(pattern(100), on: stream.ours) == nil)
        ring.shutdownSending(stream.ours)
        #expect(stream.peerReads(101) == pattern(100))
        #expect(stream.peerSends([9]) == 1)
        try receiver.run(on: ring, until: 1)
        #expect(receiver.bytes == [9])
    }

    @Test func `ring that ends lets go of the sockets it was receiving on`() throws {
        let stream = try Stream(.tcp)
        do {
            let ring = try Ring(configuration: BufferMode.incremental.tiny())
            ring.receive(on: stream.ours, tag: .tag(.receive))
            #expect(try ring.ready().isEmpty)
            stream.closeOurs(by: ring)
        }
        #expect(stream.peerSeesEnd())
    }

    @Test func `descriptor that is not open cannot be closed`() async {
        await #expect(processExitsWith: .failure) {
            let ring = try Ring(configuration: BufferMode.plain.tiny())
            ring.close(9999)
        }
    }
}

/// Signals the thread that made it every now and then, from a thread of its own.
private final class Alarm {
    private let target = pthread_self()
    private var thread = pthread_t()
    private var ends: [Int32] = [-1, -1]

    init() throws {
        signal(SIGURG) { _ in }
        // Tests run on threads that keep signals away.
        try #require(changeMask(SIG_UNBLOCK) == 0)
        try #require(unsafe pipe(&ends) == 0)
        // The thread is joined before the alarm goes.
        let context = unsafe Unmanaged.passUnretained(self).toOpaque()
        let result = unsafe pthread_create(
            &thread,
            nil,
            { context in
                guard let context = unsafe context else {
                    return nil
                }
                unsafe Unmanaged<Alarm>.fromOpaque(context).takeUnretainedValue().run()
                return nil
            },
            context
        )
        try #require(result == 0)
    }

    private func run() {
        var stop = pollfd(fd: ends[0], events: Int16(POLLIN), revents: 0)
        while unsafe poll(&stop, 1, 2) == 0 {
            pthread_kill(target, SIGURG)
        }
    }

    func stop() {
        close(ends[1])
        pthread_join(thread, nil)
        close(ends[0])
        #expect(changeMask(SIG_BLOCK) == 0)
    }

    private func changeMask(_ how: Int32) -> Int32 {
        var signals = sigset_t()
        unsafe sigemptyset(&signals)
        unsafe sigaddset(&signals, SIGURG)
        return unsafe pthread_sigmask(how, &signals, nil)
    }
}
