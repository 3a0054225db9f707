// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusProtocol

/// What a connection has for tasks: its messages on their way to the one that reads them, and those
/// that wait for it to drain.
///
/// A task that waits is resumed once for all that a turn brings, and then takes one message after
/// the other without being suspended. A connection whose reader falls behind is not read from.
@WorkerActor
final class MessageStream {
    /// With this much unread the peer has to wait, and may go on when half of it is read.
    static let unreadByteCountMax = 256 << 10

    /// The connection has it, and whoever calls it has the connection.
    private unowned let connection: WebSocketConnection

    /// The task of the handler that accepted the connection, if it is asynchronous.
    let handlerTask: HandlerTask?

    /// Who gets the messages.
    private enum Receiver {
        /// The task that asks for them.
        case task
        /// Nobody has asked, but the request's handler may yet: they are kept.
        case undecided
        /// A handler of the connection, after what was kept.
        case handler
    }

    private let unread = Pinned(UnreadMessages())
    private let reader = ParkingSpot()
    private var isIterated = false
    private var receiver = Receiver.handler
    private var isPaused = false
    private var outcome: ConnectionOutcome?
    private var drainWaiters: [ParkingSpot] = []

    init(of connection: WebSocketConnection, handlerTask: HandlerTask? = nil) {
        self.connection = connection
        self.handlerTask = handlerTask
    }

    // MARK: Who reads

    /// The handler may wait for other things before it says who reads: what comes meanwhile is kept.
    ///
    /// Messages up to the limit, so that the peer's pings and its Close are seen; where there are
    /// only parts of messages, the connection is not read from.
    func awaitReader(assemblesFragments: Bool) {
        receiver = .undecided
        if assemblesFragments {
            connection.handlers?.message = { [unowned self] in append($0) }
        } else {
            isPaused = true
            connection.transport?.pauses.insert(.reader)
        }
    }

    /// A task reads.
    func read() {
        receiver = .task
        connection.handlers?.message = { [unowned self] in append($0) }
        resumeIfRead()
    }

    /// A handler of the connection receives, and first what was kept.
    ///
    /// Until it pauses or closes, or has a task read on. What is left waits for the application to
    /// resume, and nothing is read before it.
    func handOver() {
        receiver = .handler
        while receiver == .handler, connection.connected, !connection.isPaused,
            let message = unread.value.takeFirst()
        {
            connection.owner.deliver(message, to: connection)
        }
        if !unread.value.isEmpty, receiver == .handler { pause() }
        resumeIfRead()
    }

    /// A handler receives parts; it is not called where messages are put together.
    func handOverParts() {
        if connection.handlers?.message == nil { handOver() }
    }

    /// Whether messages that were kept wait for the application to resume.
    var isHandingOver: Bool { receiver == .handler && isPaused }

    /// The request's handler is over, and nobody will read.
    func handlerEnded() {
        guard receiver == .undecided else { return }
        connection.handlers?.message = nil
        handOver()
    }

    // MARK: From the driver

    func append(_ message: borrowing WebSocketMessage) {
        unread.value.append(ReceivedMessage(message))
        if unread.value.byteCount > Self.unreadByteCountMax { pause() }
        reader.leave()
    }

    /// The connection is over: what is unread can be read, and then the end.
    func finish(_ outcome: ConnectionOutcome) {
        self.outcome = outcome
        reader.leave()
        drained()
        handlerTask?.cancel()
    }

    /// Nothing waits to be sent any more.
    func drained() {
        for waiter in drainWaiters { waiter.leave() }
        drainWaiters = []
    }

    // MARK: To the reader

    /// The next message if there is one, and if the task may have it.
    ///
    /// A canceled task leaves unread what there is, but for that of a connection which is over: its
    /// end is what cancels the handler's task.
    func takeFirst() -> ReceivedMessage? {
        if Task.isCancelled, outcome == nil { return nil }
        guard let message = unread.value.takeFirst() else { return nil }
        if isPaused { resumeIfRead() }
        return message
    }

    /// The next message; nil after the last one of a connection that was closed properly.
    func next() async throws -> ReceivedMessage? {
        precondition(!isIterated, "the messages of a connection are read by one task at a time")
        isIterated = true
        defer { isIterated = false }
        while true {
            if let message = takeFirst() { return message }
            if let outcome {
                if let error = WebSocketClosed(outcome) { throw error }
                return nil
            }
            try Task.checkCancellation()
            await withTaskCancellationHandler {
                await reader.park()
            } onCancel: {
                // From whichever thread; a reader that goes on for nothing waits again.
                Task { @WorkerActor in self.reader.leave() }
            }
        }
    }

    /// Waits until nothing is queued, or the connection is over.
    func waitUntilDrained() async throws {
        connection.owner.flush(connection)
        while connection.transport?.hasWaited == true, outcome == nil {
            try Task.checkCancellation()
            let waiter = ParkingSpot()
            drainWaiters.append(waiter)
            await withTaskCancellationHandler {
                await waiter.park()
            } onCancel: {
                Task { @WorkerActor in waiter.leave() }
            }
            drainWaiters.removeAll { $0 === waiter }
        }
    }

    // MARK: The pause

    private func pause() {
        guard !isPaused else { return }
        isPaused = true
        connection.owner.pause(connection, for: .reader)
    }

    private func resumeIfRead() {
        let keptByteCountMax = receiver == .handler ? 0 : Self.unreadByteCountMax / 2
        guard isPaused, unread.value.byteCount <= keptByteCountMax else { return }
        isPaused = false
        connection.owner.resume(connection, from: .reader)
    }
}

/// Messages that nobody has read, first in, first out.
struct UnreadMessages: ~Copyable {
    /// What a message takes besides its bytes.
    static let overhead = 64

    /// More room than this is not kept by a connection that has nothing to read.
    private static let keptCapacity = 64

    /// What has come since the other was empty.
    private var arriving: [ReceivedMessage?] = []
    /// What is taken from; nil where it was.
    private var leaving: [ReceivedMessage?] = []
    private var nextIndex = 0

    /// How many bytes they take.
    private(set) var byteCount = 0

    /// Every message takes some.
    var isEmpty: Bool { byteCount == 0 }

    mutating func append(_ message: consuming ReceivedMessage) {
        byteCount += message.byteCount + Self.overhead
        arriving.append(message)
    }

    mutating func takeFirst() -> ReceivedMessage? {
        if leaving.isEmpty {
            guard !arriving.isEmpty else { return nil }
            swap(&arriving, &leaving)
        }
        let message = leaving[nextIndex].take()
        nextIndex += 1
        if nextIndex == leaving.count {
            leaving.removeAll(keepingCapacity: leaving.capacity <= Self.keptCapacity)
            nextIndex = 0
        }
        byteCount -= (message?.byteCount ?? 0) + Self.overhead
        return message
    }
}
