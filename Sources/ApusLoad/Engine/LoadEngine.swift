// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusProtocol
import ApusRing
import CApusSystem
import Glibc

/// Carries out a plan: one thread, one ring, and the connections of one process.
///
/// A turn is as a worker's: wait, act on each completion, flush what is to be sent, repeat. A message
/// costs no memory, no reference count and no table other than its connection's.
@safe
struct LoadEngine: ~Copyable {
    /// What the run is about now.
    enum Phase {
        /// Connections are being opened.
        case opening
        /// All are, and the other processes are awaited.
        case waiting
        /// Messages are sent, from the beginning of the warm-up to the end of the measured time.
        case running
        /// What is under way is awaited.
        case settling
        /// Close handshakes.
        case closing
        case over
    }

    static let progressInterval: UInt64 = 250_000_000
    /// How long the close handshakes may take.
    static let closingNanosecondsMax: UInt64 = 5_000_000_000

    let plan: LoadPlan
    let observer: any LoadObserver
    let url: WebSocketURL
    let ring: Ring
    /// Of wss:// alone.
    let tls: TLSClient?
    var addresses: ServerAddresses
    var table: LoadConnectionTable
    let output: OutputMemory
    let recorder: LoadRecorder

    let pattern: MessagePattern
    let frames: OutputFrames
    /// Where messages are compressed.
    let inflater: ReplyInflater?
    let decoderOptions: MessageDecoder.Options
    let sendsAtOnce: Bool
    let isClosedModel: Bool
    let isOpenModel: Bool
    var events = DecodedEvents(capacity: 256)
    /// Connections that got something in this turn, and are to receive again behind all others.
    var fed: [UInt32] = []

    var overdue = OverdueReplies()
    /// Of fan-out in a closed model, who has got what in the publisher's process.
    var audience: Audience?
    /// The message that tells subscribers that it was the last.
    var lastPublication: UInt64?

    var phase = Phase.opening
    /// The time of this turn.
    var now: UInt64
    /// Whether what comes in this turn counts.
    var isMeasuring = false
    var beginning: UInt64 = .max
    var measuredFrom: UInt64 = .max
    var measuredTo: UInt64 = .max
    var phaseEnd: UInt64 = .max
    var nextProgress: UInt64
    /// When what takes too long is looked for.
    var nextSearch: UInt64 = 0
    /// Whether messages have been sent.
    var hasBegun = false
    /// When messages are due, of an open model.
    var pacer: Pacer?
    /// Whose turn it is to send the next one that is due.
    var nextSender = 0

    /// Slots that a connection is still to be opened in.
    var unopened: [UInt32] = []
    var connectPacer: ConnectPacer?
    /// Connections that are being opened.
    var openingCount = 0
    var openCount = 0
    /// Connections whose socket is not closed.
    var liveCount = 0
    /// Which of the server's addresses is tried first.
    var preferredAddress = 0

    var report = LoadReport()
    /// What the processor time was when measuring began.
    var processorTimeBefore: UInt64?

    init(_ plan: LoadPlan, observer: any LoadObserver) throws(LoadFailure) {
        let url = try plan.check()
        let addresses = try ServerAddresses(of: url, from: plan.sourceAddresses)
        let ring = try Self.makeRing()
        tls = url.isSecure ? try TLSClient(isInsecure: plan.isInsecure) : nil
        self.plan = plan
        self.observer = observer
        self.url = url
        self.addresses = addresses
        self.ring = ring
        let pattern = plan.pattern
        self.pattern = pattern
        let first = UInt64(plan.firstConnection)
        table = LoadConnectionTable(count: plan.connections) { slot in
            let origin = pattern.origin(of: first + UInt64(slot))
            let source = plan.mode == .fanout ? pattern.origin(of: 0) : origin
            return LoadConnection(slot: slot, origin: origin, source: source)
        }
        output = OutputMemory()
        recorder = LoadRecorder()
        let deflated = plan.deflated
        frames = OutputFrames(opcode: plan.opcode, deflated: deflated)
        inflater = plan.isCompressed ? ReplyInflater(byteCountMax: plan.sizes.upperBound) : nil
        report.compression = deflated.map { CompressionReport(sentByteCount: $0.byteCount) }
        decoderOptions = plan.decoderOptions
        // Records that were sealed are held until they are taken, and not made again.
        sendsAtOnce = url.isSecure || Self.sendsAtOnce(plan)
        isOpenModel = plan.mode != .churn && (plan.rate != nil || plan.mode == .idle)
        isClosedModel = plan.mode != .churn && !isOpenModel
        unopened = (0..<UInt32(plan.connections)).reversed()
        now = apus_clock_monotonic()
        nextProgress = now + Self.progressInterval
        connectPacer = plan.connectRate.map { [now] in
            ConnectPacer(start: now, rateMax: $0, offset: plan.rateOffset)
        }
        if plan.mode == .churn { phase = .waiting }
    }

    private static func makeRing() throws(LoadFailure) -> Ring {
        do {
            return try Ring()
        } catch {
            throw LoadFailure(
                .system,
                "the system refuses \(error.operation): error \(error.errno)"
            )
        }
    }

    mutating func run() throws(LoadFailure) -> LoadReport {
        if phase == .waiting { awaitOthers() }
        while phase != .over {
            openConnections()
            sendWhatIsDue()
            flush()
            let count: Int
            do {
                count = try ring.wait(nanosecondsMax: waitNanosecondsMax)
            } catch {
                throw LoadFailure(.system, "\(error.operation) fails: error \(error.errno)")
            }
            now = apus_clock_monotonic()
            isMeasuring = now >= measuredFrom && now < measuredTo
            for index in 0..<count {
                complete(ring.completion(at: index))
            }
            receiveAgain()
            moveOn()
        }
        return finishedReport()
    }

    @inline(__always)
    private mutating func complete(_ completion: Completion) {
        if completion.tag.kind == .receive {
            received(completion)
        } else {
            completeOther(completion)
        }
    }

    @inline(never)
    private mutating func completeOther(_ completion: Completion) {
        guard let connection = connection(of: completion) else { return }
        switch completion.tag.kind {
        case .connect: connected(connection, completion.result)
        case .send: sentShort(connection, completion.result)
        case .writable: becameWritable(connection)
        case .receive, .cancel, .accept, .readable, .arrival, nil: break
        }
    }

    /// Whose completion it is; nil if that is gone.
    @inline(__always)
    func connection(of completion: Completion) -> ConnectionReference? {
        let slot = Int(completion.tag.slot)
        guard slot < table.count else { return nil }
        let connection = table[slot]
        return connection.state.generation == completion.tag.generation ? connection : nil
    }

    /// Until what comes next by the clock.
    private var waitNanosecondsMax: UInt64 {
        guard table.dirtyCount == 0 else { return 0 }
        // Only closing ends by the clock alone; what is awaited else is looked for at each tick.
        var next = phase == .closing ? min(nextProgress, phaseEnd) : nextProgress
        if let pacer, phase == .running { next = min(next, max(pacer.next, beginning)) }
        if let connectPacer, !unopened.isEmpty { next = min(next, connectPacer.next) }
        if phase == .running {
            for time in [beginning, measuredFrom, measuredTo] where time > now {
                next = min(next, time)
            }
        }
        return next > now ? next - now : 0
    }
}
