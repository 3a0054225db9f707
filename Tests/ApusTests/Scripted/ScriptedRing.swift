// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusRing
import ApusTestSupport
import Glibc
import Testing

/// A stand-in for the kernel: virtual sockets and time, a seeded plan of faults, strict bookkeeping.
///
/// Whatever its caller does wrong is collected in ``misuses`` and told to `onMisuse`, which fails the
/// test. A wait never blocks: it moves the clock to the next event or to the end of its time, and
/// throws where there is neither.
@safe
final class ScriptedRing: RingVerbs {
    @safe
    enum Submission {
        case accept(listener: Int32, OperationTag)
        case connect(Int32, UnsafeRawBufferPointer, [UInt8], OperationTag)
        case receive(Int32, OperationTag, isOnce: Bool)
        case send(Int32, UnsafeRawBufferPointer, [UInt8], OperationTag)
        case writable(Int32, OperationTag)
        case readable(Int32, OperationTag)
        case cancel(OperationTag, OperationTag)
    }

    struct Event {
        let time: UInt64
        let action: () -> Void
    }

    let seed: UInt64
    var random: SplitMix
    var faults: Faults

    // Time.
    var now: UInt64 = 1_000_000_000
    private var events: [Event] = []
    /// Ends a wait without a completion as soon as it is true.
    var isObserved: () -> Bool = { false }
    /// How many waits there were, and how many there may be.
    var turnCount = 0
    var turnCountMax = 200_000
    /// Waits without time and without a completion, one after the other.
    private var emptyTurnCount = 0

    // Sockets.
    var sockets: [Int32: VirtualSocket] = [:]
    var backlog: [Int32: [VirtualSocket]] = [:]
    /// Until when accepts fail with EMFILE.
    var descriptorsShortUntil: UInt64 = 0

    /// Descriptors whose completions come first; the others in their own order.
    var order: [Int32] = []

    /// Who is there for a connect to an address: an end that takes the socket, or why not.
    var answerConnect: (_ address: [UInt8], VirtualSocket) -> ConnectAnswer = { _, _ in
        .refusal(ECONNREFUSED)
    }

    enum ConnectAnswer {
        /// The other end is the socket's peer from now on.
        case connected(after: UInt64 = 0)
        case refusal(Int32)
        case silence
    }

    /// Descriptors that connections come from.
    var listeners: Set<Int32> = [World.listener, World.secondListener]

    // Operations.
    var submissions: [Submission] = []
    var accepts: [(listener: Int32, tag: OperationTag)] = []
    /// Completions that are due with the next wait.
    var posted: [Completion] = []
    var batch: [Completion] = []
    /// How many sockets' completions one wait brings at most.
    var batchCountMax = Int.max

    // Receive buffers.
    var bufferByteCount = 65536
    var bufferCountMax = 64
    private var lent: [UInt16: UnsafeMutableRawBufferPointer] = unsafe [:]
    private var nextBufferIndex: UInt16 = 0

    // What tests look at.
    private(set) var misuses: [String] = []
    /// Bytes of each send, in order: by system call in parts, and with the wait.
    var sentNow: [[Int]] = []
    var sentByRing: [Int] = []
    /// Addresses of the parts that went out by system call.
    var sentNowAddresses: [[UInt]] = []
    var cancelCount = 0
    var receiveCount = 0
    var pollCount = 0
    var acceptCount = 0

    /// Told of the first few misuses: one mistake often brings many.
    private let onMisuse: (String) -> Void

    init(
        seed: UInt64,
        faults: Faults,
        onMisuse: @escaping (String) -> Void = { Issue.record("\($0)") }
    ) {
        self.seed = seed
        self.faults = faults
        self.onMisuse = onMisuse
        random = SplitMix(seed: seed)
    }

    deinit {
        while let (_, buffer) = unsafe lent.popFirst() {
            unsafe buffer.deallocate()
        }
    }

    func misuse(_ sentence: String) {
        misuses.append(sentence)
        if misuses.count <= 3 { onMisuse("\(sentence) (seed \(seed), turn \(turnCount))") }
    }

    // MARK: Events

    /// Calls `action` when the clock has moved on by `delay` nanoseconds.
    func after(_ delay: UInt64, _ action: @escaping () -> Void) {
        let event = Event(time: now + delay, action: action)
        let index = events.firstIndex { $0.time > event.time } ?? events.count
        events.insert(event, at: index)
    }

    private func runDueEvents() {
        while let first = events.first, first.time <= now {
            events.removeFirst()
            first.action()
        }
    }

    // MARK: Verbs

    func accept(from listener: Int32, tag: OperationTag) {
        acceptCount += 1
        submissions.append(.accept(listener: listener, tag))
    }

    func socket(for address: UnsafeRawBufferPointer) -> Int32 {
        if now < descriptorsShortUntil { return -EMFILE }
        let socket = VirtualSocket()
        socket.descriptor = takeDescriptor()
        sockets[socket.descriptor] = socket
        return socket.descriptor
    }

    func connect(_ socket: Int32, to address: UnsafeRawBufferPointer, tag: OperationTag) {
        guard let open = open(socket, for: "connect") else { return }
        if open.peer != nil || open.connecting != nil { misuse("\(socket) is connected twice") }
        open.operationCount += 1
        open.connecting = tag
        unsafe submissions.append(.connect(socket, address, Array(address), tag))
    }

    func receive(on socket: Int32, tag: OperationTag) {
        receive(on: socket, tag: tag, isOnce: false)
    }

    func receiveOnce(on socket: Int32, tag: OperationTag) {
        receive(on: socket, tag: tag, isOnce: true)
    }

    private func receive(on socket: Int32, tag: OperationTag, isOnce: Bool) {
        guard let open = open(socket, for: "receive") else { return }
        receiveCount += 1
        if isReceivedFrom(open) { misuse("two receives on \(socket)") }
        open.operationCount += 1
        open.lastTag = tag
        submissions.append(.receive(socket, tag, isOnce: isOnce))
    }

    /// Whether an operation brings its bytes, or tells of them.
    private func isReceivedFrom(_ socket: VirtualSocket) -> Bool {
        let isPrepared = submissions.contains {
            switch $0 {
            case .receive(socket.descriptor, _, isOnce: _), .readable(socket.descriptor, _): true
            default: false
            }
        }
        return isPrepared || socket.receiving != nil || socket.waitingForReadable != nil
    }

    func send(_ bytes: UnsafeRawBufferPointer, on socket: Int32, tag: OperationTag) {
        guard open(socket, for: "send") != nil else { return }
        if hasPreparedSend(on: socket) { misuse("two sends in flight on \(socket)") }
        if unsafe bytes.isEmpty { misuse("an empty send on \(socket)") }
        unsafe submissions.append(.send(socket, bytes, Array(bytes), tag))
    }

    func awaitWritable(_ socket: Int32, tag: OperationTag) {
        guard let open = open(socket, for: "awaitWritable") else { return }
        if open.waitingForWritable != nil { misuse("two waits for writability on \(socket)") }
        open.operationCount += 1
        submissions.append(.writable(socket, tag))
    }

    func awaitReadable(_ descriptor: Int32, tag: OperationTag) {
        pollCount += 1
        if let socket = sockets[descriptor] {
            if isReceivedFrom(socket) { misuse("two receives on \(descriptor)") }
            socket.operationCount += 1
        }
        submissions.append(.readable(descriptor, tag))
    }

    func cancel(_ target: OperationTag, tag: OperationTag) {
        cancelCount += 1
        submissions.append(.cancel(target, tag))
    }

    func sendNow(
        _ parts: UnsafeBufferPointer<UnsafeRawBufferPointer>,
        on socket: Int32
    ) -> Int {
        guard let open = open(socket, for: "sendNow") else { return Int(-EBADF) }
        if hasPreparedSend(on: socket) { misuse("sendNow overtakes a send on \(socket)") }
        var bytes: [UInt8] = []
        for index in 0..<parts.count { unsafe bytes.append(contentsOf: parts[index]) }
        if bytes.isEmpty { misuse("an empty sendNow on \(socket)") }
        sentNow.append((0..<parts.count).map { unsafe parts[$0].count })
        sentNowAddresses.append(
            (0..<parts.count).map { unsafe UInt(bitPattern: parts[$0].baseAddress) }
        )
        return transmit(bytes, on: open)
    }

    func shutdownSending(_ socket: Int32) {
        guard let open = open(socket, for: "shutdownSending") else { return }
        if hasPreparedSend(on: socket) { misuse("a FIN overtakes a send on \(socket)") }
        open.isShutForSending = true
    }

    func shutdownBoth(_ socket: Int32) {
        guard let open = open(socket, for: "shutdownBoth") else { return }
        if open.connecting != nil { misuse("\(socket) is shut down while it connects") }
        if hasPreparedSend(on: socket) { misuse("the bytes of a send on \(socket) were dropped") }
        open.isShutForSending = true
        open.isShut = true
    }

    func close(_ socket: Int32) {
        if listeners.remove(socket) != nil {
            closeListener(socket)
            return
        }
        guard let open = open(socket, for: "close") else { return }
        if open.operationCount > 0 {
            misuse("\(socket) is closed with \(open.operationCount) operations in flight")
        }
        open.isClosed = true
        // The FIN goes out with it, where it has not before.
        open.isShutForSending = true
        sockets[socket] = nil
        if let tag = open.lastTag, random.chance(faults.lateCompletions) {
            postLateCompletion(tag)
        }
        if !open.inbound.isEmpty || open.brokenBy != nil {
            open.peer?.wasReset()
        } else {
            deliver(open)
        }
    }

    /// As the kernel does: who has not been accepted is reset.
    private func closeListener(_ listener: Int32) {
        if accepts.contains(where: { $0.listener == listener }) {
            misuse("listener \(listener) is closed with accepts in flight")
        }
        for waiting in backlog.removeValue(forKey: listener) ?? [] { waiting.peer?.wasReset() }
    }

    func remoteAddress(of socket: Int32) -> String {
        open(socket, for: "remoteAddress")?.peer?.address ?? ""
    }

    private func open(_ descriptor: Int32, for verb: String) -> VirtualSocket? {
        if let socket = sockets[descriptor] { return socket }
        misuse("\(verb) on \(descriptor), which is not open")
        return nil
    }

    private func hasPreparedSend(on socket: Int32) -> Bool {
        submissions.contains {
            if case .send(socket, _, _, _) = $0 { true } else { false }
        }
    }

    /// The lowest descriptor that is free, as the kernel gives it.
    func takeDescriptor() -> Int32 {
        var descriptor: Int32 = 10
        while sockets[descriptor] != nil { descriptor += 1 }
        return descriptor
    }

    // MARK: The turn

    func wait(nanosecondsMax: UInt64?) throws(RingError) -> Int {
        turnCount += 1
        if turnCount > turnCountMax {
            misuse("\(turnCountMax) turns and no end: it spins")
            throw RingError(operation: "wait", errno: ELOOP)
        }
        if unsafe !lent.isEmpty { misuse("\(lentBufferCount) buffers are lent over a wait") }
        batch = posted
        posted = []
        submit()
        if batch.isEmpty, random.chance(faults.interruptedWaits) { return 0 }
        let end = nanosecondsMax.map { now &+ $0 < now ? .max : now + $0 }
        while true {
            runDueEvents()
            for socket in sockets.values.sorted(by: { $0.descriptor < $1.descriptor }) {
                deliver(socket)
            }
            collect()
            // Nothing came before what is late.
            if batch.isEmpty { swap(&batch, &posted) }
            if !batch.isEmpty {
                emptyTurnCount = 0
                copyOut()
                return batch.count
            }
            // What the test waits for has come about: as if by a signal.
            if isObserved() { return 0 }
            let next = events.first?.time
            if let end, next.map({ end <= $0 }) ?? true {
                emptyTurnCount = end == now ? emptyTurnCount + 1 : 0
                if emptyTurnCount > 50 {
                    misuse("waits without time and without an end: it spins")
                    throw RingError(operation: "wait", errno: ELOOP)
                }
                now = end
                return 0
            }
            guard let next else {
                misuse("a wait that nothing would ever end")
                throw RingError(operation: "wait", errno: EDEADLK)
            }
            now = next
        }
    }

    /// The kernel forgets the operations that have had their last word.
    private func copyOut() {
        for completion in batch where !completion.hasMore {
            let kinds: [OperationTag.Kind] = [.receive, .arrival, .writable, .connect]
            let isOfSocket = completion.tag.kind.map(kinds.contains) ?? false
            guard isOfSocket, let socket = ended[completion.tag.rawValue]?.popLast() else {
                continue
            }
            socket.operationCount -= 1
        }
    }

    /// The sockets of completions that are an operation's last, by tag.
    private var ended: [UInt64: [VirtualSocket]] = [:]

    func end(_ tag: OperationTag, of socket: VirtualSocket) {
        ended[tag.rawValue, default: []].append(socket)
    }

    func completion(at index: Int) -> Completion { batch[index] }

    // MARK: Buffers

    var lentBufferCount: Int { unsafe lent.count }

    func lend(_ bytes: ArraySlice<UInt8>) -> (UInt16, UnsafeMutableRawBufferPointer) {
        while unsafe lent[nextBufferIndex] != nil { nextBufferIndex &+= 1 }
        // Of its exact size, so that a sanitizer sees whoever reads beyond.
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
        unsafe buffer.copyBytes(from: bytes)
        let index = nextBufferIndex
        unsafe lent[index] = unsafe buffer
        nextBufferIndex &+= 1
        return unsafe (index, buffer)
    }

    func giveBack(_ completion: Completion) {
        guard let index = completion.bufferIndex else { return }
        guard let buffer = unsafe lent.removeValue(forKey: index) else {
            misuse("buffer \(index) was given back twice")
            return
        }
        // Whoever reads it now shall see that it is no longer his.
        unsafe buffer.initializeMemory(as: UInt8.self, repeating: 0xDD)
        unsafe buffer.deallocate()
    }
}

extension Completion {
    /// The last one of an operation, with a result and no bytes.
    init(withoutBytes tag: OperationTag, _ result: Int32) {
        unsafe self.init(tag: tag, result: result)
    }
}
