// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusProtocol
import ApusRing
import ApusTLS
import CApusSystem
import Logging

/// Applies what the machines decide to the ring, and what the ring brings to the machines.
///
/// No rule of the protocol is here. It is generic over the ring so that a scripted one can stand in
/// for the kernel; the worker's own is specialised, and costs no dynamic call.
///
/// | completion | handled by             | next                                              |
/// |------------|------------------------|---------------------------------------------------|
/// | accept     | ``accepted(_:)``       | receive on the new socket; accept again           |
/// | receive    | ``received(_:)``       | machines → handlers → output; armed again if over |
/// | send       | ``settleSends(_:)``    | what was not taken waits for writability          |
/// | writable   | ``becameWritable(_:)`` | the queue goes out                                |
/// | cancel     | ``canceled(_:)``       | nothing                                           |
/// | arrival    | ``arrived(_:)``        | a quiet connection is received from, once         |
/// | connect    | ``connected(_:)``      | a client's request; the next address              |
@WorkerActor
final class ConnectionDriver<Ring: RingVerbs & ~Copyable> {
    let ring: Ring
    let configuration: ServerConfiguration
    let connectionConfiguration: ConnectionConfiguration
    let fragmentByteCountMax: Int
    let assemblesFragments: Bool
    let listeners: [WorkerListener]
    /// What the connections of each listener share, as long as there are any.
    var contexts: [WeakContext]
    let logger: Logger

    var table = ConnectionTable()
    /// Of the table's connections, those that only wait for their end.
    var endingCount = 0
    var deadlines = DeadlineQueue()
    /// For how many turns deadlines have waited for what the kernel holds back.
    var catchUpTurnCount = 0
    /// Deadlines up to here have waited for it, even those that further turns are to serve.
    var caughtUpUntil = Instant(nanoseconds: 0)
    var counters = WorkerCounters()
    /// Of asynchronous handlers, how many have not come to their end.
    var taskCount = 0
    /// The one that began with the worker; canceled when it drains.
    var startTask: HandlerTask?
    let outputPool = Pinned(OutputPool())
    let messageBuffers = Pinned(MessageBufferPool())
    let sendScratch = SendScratch()
    /// What connections with TLS are sent, and what they brought, while it is under way.
    let wire = TLSWire()
    /// The keys of tickets; nil where each listener has its own.
    var ticketKeys: TicketKeysSeen?
    /// For nonces and masking keys; made in the worker, so that no two share their bytes.
    let randomBytes = RandomBytes()
    /// What the bytes that are being read hold; one is enough, since reading them is never nested.
    let batch = Pinned(ReceivedBatch())
    /// How often handlers were set: who has loaded one sees by it whether that is still the one.
    var handlersVersion = 0
    /// The slot of the connection whose bytes are being read; an impossible one for none.
    var readingSlot = UInt32.max

    /// The time of this turn.
    var now: Instant

    /// Tells this turn from those shortly before.
    var turn: UInt8 = 1
    /// Connections that got bytes in this turn and whose receive has ended.
    var fed: [Connection] = []

    /// Connections that have output to flush this turn.
    var dirty: [Connection] = []
    /// Connections whose output goes out with the wait.
    var riding: [Connection] = []
    /// Connections whose early frames can be read now that they were accepted, or that go on.
    var resumed: [Connection] = []

    let broadcasts = Broadcasts()
    let compression = CompressionPool()

    /// Connections that we open and whose addresses are known, to be connected before the wait.
    var dialing: [Connection] = []
    /// Looks a name up, and tells its addresses on the loop, later.
    var lookUp:
        @WorkerActor (String, UInt16, @escaping @WorkerActor ([apus_address]) -> Void) -> Void =
            { AddressLookup.begin($0, port: $1, $2) }

    /// Seconds since 1970, and the last text that was made of them.
    var wallClock: () -> Int64 = { apus_clock_wall() }
    var date: (second: Int64, text: String)?

    /// Which accept operations are in flight, ``WorkerListener/acceptsInFlightMax`` per listener.
    var isAccepting: [Bool]
    var listenersAreClosed = false
    /// Until when no connection is accepted, for want of descriptors or memory.
    var acceptPausedUntil: Instant?

    /// Set once the worker is told to end.
    var drain: Drain?
    /// Has the supervisor end all workers; nothing where there is none.
    var endAll: @WorkerActor () -> Void = {}

    init(
        ring: consuming Ring,
        configuration: ServerConfiguration,
        listeners: [WorkerListener],
        logger: Logger,
        now: Instant
    ) {
        self.ring = ring
        self.configuration = configuration
        connectionConfiguration = configuration.connections
        fragmentByteCountMax = configuration.fragmentByteCountMax
        assemblesFragments = configuration.assembleFragments
        self.listeners = listeners
        contexts = listeners.map { _ in WeakContext() }
        self.logger = logger
        self.now = now
        isAccepting = Array(
            repeating: false,
            count: listeners.count * WorkerListener.acceptsInFlightMax
        )
    }

    /// Whether the worker was told to end and nothing is left to do.
    var isDrained: Bool {
        guard let drain, table.count == 0, !isAccepting.contains(true) else { return false }
        // Handlers that are tasks end first, but for those that wait for just this; and the other
        // workers get what was broadcast.
        return taskCount <= drain.waitingHandlerCount && broadcastBacklog == 0
            || drain.deadline == nil
    }

    // MARK: The turn

    /// Before the wait: what this turn produced goes out, and what is unarmed is armed.
    func prepareWait() {
        if drain?.hasBegun == false { beginDrain() }
        connectDialed()
        takeBroadcasts()
        resumeInflation()
        flushAll()
        passBroadcasts()
        armAccepts()
        receiveAgain()
    }

    /// How long the wait may take; nil for as long as nothing happens.
    var waitNanosecondsMax: UInt64? {
        // What a handler dialed while output was flushed, and what waited for others.
        guard dialing.isEmpty, resumed.isEmpty, compression.waiting.isEmpty else { return 0 }
        var next = deadlines.next
        for other in [acceptPausedUntil, drain?.deadline, broadcastDeadline] {
            if let other, next.map({ other < $0 }) ?? true { next = other }
        }
        guard let next else { return nil }
        return next > now ? next.nanoseconds - now.nanoseconds : 0
    }

    /// After the wait: one completion, to the function that its kind names.
    func complete(_ completion: Completion) {
        switch completion.tag.kind {
        case .receive: received(completion)
        case .accept: accepted(completion)
        case .writable: becameWritable(completion)
        case .cancel: canceled(completion)
        case .send: break  // settled before the others
        case .connect: connected(completion)
        case .arrival: arrived(completion)
        case .readable, nil: counters.staleCompletions += 1
        }
    }

    /// The connection of a completion, counted as one operation less if this was its last word.
    func connection(endingOperationOf completion: Completion) -> Connection? {
        guard let connection = table.connection(for: completion.tag) else {
            counters.staleCompletions += 1
            return nil
        }
        if !completion.hasMore {
            connection.operationCount -= 1
            counters.operationsInFlight -= 1
        }
        return connection
    }

    func beganOperation(on connection: Connection) {
        connection.operationCount += 1
        counters.operationsInFlight += 1
    }
}

/// A context that lives as long as a connection does that has it, since that has the driver.
struct WeakContext {
    weak var context: ConnectionContext?
}

/// A listening socket, and whose connections come from it.
struct WorkerListener {
    /// More would take connections from the kernel's queue that a killed worker then loses.
    static let acceptsInFlightMax = 4

    let descriptor: Int32
    let httpServer: HTTPServer
    /// Nil where what comes is plain.
    var tls: TLSListener?
}
