// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Why a ring that could be made must not serve, in one sentence.
package struct SelfTestFailure: Error, Equatable {
    package let sentence: String
}

extension Ring {
    /// Connects to itself over loopback, accepts that, echoes on it and sees it end.
    ///
    /// There were kernels that accepted into wrong descriptors (6.6.1 to 6.8-rc3 with
    /// `DEFER_TASKRUN`, liburing issue 1062), so what the kernel promises is not enough. For an idle
    /// ring, which it is afterwards too, whatever the outcome; the time is a bound on each half.
    package func selfTest(nanosecondsMax: UInt64 = 1_000_000_000) throws(SelfTestFailure) {
        var test = SelfTest()
        var failure: SelfTestFailure?
        test.deadline = monotonicNanoseconds() + nanosecondsMax
        do throws(SelfTestFailure) {
            try test.run(on: self)
        } catch {
            failure = error
        }
        test.deadline = monotonicNanoseconds() + nanosecondsMax
        do throws(SelfTestFailure) {
            try test.end(on: self)
        } catch {
            // What went wrong first says more than what that left behind.
            failure = failure ?? error
        }
        if let failure {
            throw failure
        }
    }
}

/// One run: the sockets, and what the ring said of them.
private struct SelfTest {
    var deadline: UInt64 = 0

    private var listener: Int32 = -1
    private var client: Int32 = -1
    private var server: Int32 = -1
    private var inFlight = 0

    private var accepted: Int32?
    private var connected: Int32?
    private var received: [UInt8] = []
    private var receiveEnd: Int32?
    private var isReadable = false
    private var sendResult: Int32?

    private static let question = Array("does this ring accept, ".utf8)
    private static let answer = Array("receive and send?".utf8)

    mutating func run(on ring: borrowing Ring) throws(SelfTestFailure) {
        try listen()
        try connect(on: ring)
        try accept(on: ring)
        try receiveQuestion(on: ring)
        try sendAnswer(on: ring)

        ring.shutdownSending(client)
        while receiveEnd == nil {
            try turn(on: ring, awaiting: "the end of a stream")
        }
        guard receiveEnd == 0 else {
            throw failure("a receive ended with \(receiveEnd ?? 0) in place of 0")
        }
    }

    /// Ends what is in flight and closes what is known to be ours.
    mutating func end(on ring: borrowing Ring) throws(SelfTestFailure) {
        let sockets = [server, client, listener].filter { $0 >= 0 }
        for socket in sockets {
            ring.shutdownBoth(socket)
        }
        while inFlight > 0 {
            try turn(on: ring, awaiting: "the end of an operation on a socket that was shut down")
        }
        for socket in sockets {
            ring.close(socket)
        }
        guard ring.lentBufferCount == 0 else {
            throw failure("\(ring.lentBufferCount) receive buffers did not come back")
        }
    }

    // MARK: Steps

    private mutating func listen() throws(SelfTestFailure) {
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        listener = socket(AF_INET, type, 0)
        var any = sockaddr_in()
        any.sin_family = sa_family_t(AF_INET)
        any.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
        guard listener >= 0,
            unsafe withSocketAddress(&any, { unsafe bind(listener, $0, $1) }) == 0,
            Glibc.listen(listener, 1) == 0
        else {
            throw failure("a listener on loopback was refused with error \(errno)")
        }
    }

    private mutating func connect(on ring: borrowing Ring) throws(SelfTestFailure) {
        guard var place = address(of: listener, isPeer: false) else {
            throw failure("a listener on loopback has no address")
        }
        // The address must stay until the wait returns, so the first turn is taken while it does.
        try unsafe withUnsafeBytes(of: &place) { place throws(SelfTestFailure) in
            client = unsafe ring.socket(for: place)
            guard client >= 0 else {
                throw failure("a socket was refused with error \(-client)")
            }
            unsafe ring.connect(
                client,
                to: place,
                tag: OperationTag(.connect, generation: 0, slot: 0)
            )
            inFlight += 1
            try turn(on: ring, awaiting: "a connection")
        }
        while connected == nil {
            try turn(on: ring, awaiting: "a connection")
        }
        guard connected == 0 else {
            throw failure("a connection over loopback failed with \(connected ?? 0)")
        }
    }

    private mutating func accept(on ring: borrowing Ring) throws(SelfTestFailure) {
        ring.accept(from: listener, tag: OperationTag(.accept, generation: 0, slot: 0))
        inFlight += 1
        while accepted == nil {
            try turn(on: ring, awaiting: "a connection")
        }
        guard let descriptor = accepted, descriptor >= 0 else {
            throw failure("accepting failed with error \(-(accepted ?? 0))")
        }
        guard let here = address(of: descriptor, isPeer: false),
            let there = address(of: descriptor, isPeer: true),
            isSame(here, address(of: listener, isPeer: false)),
            isSame(there, address(of: client, isPeer: false))
        else {
            // Not closed either: it is not known whose it is.
            throw failure("accepting gave descriptor \(descriptor), which is another socket")
        }
        server = descriptor
    }

    private mutating func receiveQuestion(on ring: borrowing Ring) throws(SelfTestFailure) {
        let sent = unsafe Glibc.send(
            client,
            Self.question,
            Self.question.count,
            Int32(MSG_NOSIGNAL)
        )
        guard sent == Self.question.count else {
            throw failure("a send over loopback failed with error \(errno)")
        }
        arm(on: ring)
        while received.count < Self.question.count, receiveEnd == nil {
            try turn(on: ring, awaiting: "bytes")
        }
        guard received == Self.question else {
            throw failure("other bytes were received than were sent")
        }
    }

    private mutating func sendAnswer(on ring: borrowing Ring) throws(SelfTestFailure) {
        ring.awaitReadable(client, tag: OperationTag(.readable, generation: 0, slot: 0))
        inFlight += 1
        // The bytes must stay until the wait returns, so the first turn is taken while they do.
        try unsafe Self.answer.withUnsafeBufferPointer { bytes throws(SelfTestFailure) in
            unsafe ring.send(
                UnsafeRawBufferPointer(bytes),
                on: server,
                tag: OperationTag(.send, generation: 0, slot: 0)
            )
            try turn(on: ring, awaiting: "a send")
        }
        while !isReadable {
            try turn(on: ring, awaiting: "what was sent")
        }
        if let sendResult {
            throw failure("a send failed with \(sendResult)")
        }
        let room = Self.answer.count + 1
        let back = unsafe [UInt8](unsafeUninitializedCapacity: room) { buffer, count in
            count = unsafe max(0, recv(client, buffer.baseAddress, room, 0))
        }
        guard back == Self.answer else {
            throw failure("other bytes were sent than were given")
        }
    }

    // MARK: The turn

    private mutating func arm(on ring: borrowing Ring) {
        ring.receive(on: server, tag: OperationTag(.receive, generation: 0, slot: 0))
        inFlight += 1
    }

    private mutating func turn(
        on ring: borrowing Ring,
        awaiting what: String
    ) throws(SelfTestFailure) {
        let now = monotonicNanoseconds()
        guard now < deadline else {
            throw failure("\(what) did not come in time")
        }
        let count: Int
        do throws(RingError) {
            count = try ring.wait(nanosecondsMax: deadline - now)
        } catch {
            throw failure("\(error.operation) failed with error \(error.errno)")
        }
        for index in 0..<count {
            take(ring.completion(at: index), on: ring)
        }
    }

    private mutating func take(_ completion: Completion, on ring: borrowing Ring) {
        let kind = completion.tag.kind
        // A send is not waited for: it completes only where it fails.
        if kind != .send, !completion.hasMore {
            inFlight -= 1
        }
        switch kind {
        case .accept:
            accepted = completion.result
        case .connect:
            connected = completion.result
        case .receive:
            unsafe received.append(contentsOf: completion.bytes)
            ring.giveBack(completion)
            if !completion.hasMore {
                if completion.result > 0 || completion.result == -ENOBUFS {
                    arm(on: ring)
                } else {
                    receiveEnd = completion.result
                }
            }
        case .readable:
            isReadable = true
        case .send:
            sendResult = completion.result
        case .writable, .cancel, .arrival, nil:
            break
        }
    }

    private func failure(_ what: String) -> SelfTestFailure {
        SelfTestFailure(sentence: "io_uring does not work on this kernel: \(what).")
    }
}

// MARK: - Addresses and time

private func withSocketAddress(
    _ address: inout sockaddr_in,
    _ body: (UnsafeMutablePointer<sockaddr>, socklen_t) -> Int32
) -> Int32 {
    unsafe withUnsafeMutablePointer(to: &address) { pointer in
        // Every socket address starts as a sockaddr does.
        unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            unsafe body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
    }
}

private func address(of socket: Int32, isPeer: Bool) -> sockaddr_in? {
    var address = sockaddr_in()
    let result = unsafe withSocketAddress(&address) { pointer, size in
        var size = size
        return unsafe isPeer
            ? getpeername(socket, pointer, &size) : getsockname(socket, pointer, &size)
    }
    return result == 0 ? address : nil
}

private func isSame(_ one: sockaddr_in, _ other: sockaddr_in?) -> Bool {
    one.sin_family == other?.sin_family && one.sin_port == other?.sin_port
        && one.sin_addr.s_addr == other?.sin_addr.s_addr
}

private func monotonicNanoseconds() -> UInt64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
