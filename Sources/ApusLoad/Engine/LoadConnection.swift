// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusProtocol
import ApusRing

/// One connection of a run: where it stands, what was sent and what has come back.
///
/// Small, since a process has many: what only few need at a time is outside.
@safe
struct LoadConnection: ~Copyable {
    enum Stage: UInt8 {
        /// There is no socket.
        case free
        case connecting
        case securing
        case upgrading
        case open
        /// Our Close is due or went out first.
        case closing
        /// Both have closed; it is for the server to end the transport.
        case lingering
        /// Over, but for operations that have not ended.
        case dropping
    }

    /// A send by the ring of this turn, which the next wait tells of if it was short.
    struct Flight {
        var cursor = OutputCursor()
        /// Where its bytes begin in the output memory.
        var start = 0
        /// Bytes of control frames that went before the messages.
        var controlByteCount = 0
    }

    let slot: UInt32
    var generation: UInt32 = 0
    var socket: Int32 = -1

    var stage = Stage.free
    var isReceiving = false
    var isAwaitingWritable = false
    /// The turn in which bytes came last.
    var receivedAt: UInt64 = 0
    /// Whether it is in the list of those that have something to send.
    var isDirty = false
    /// Whether what is due waited for the socket, and so is not late by our fault.
    var wasBlocked = false
    /// Whether the publisher's last message has come.
    var isProven = false

    let origin: MessageOrigin
    /// What comes: the replies to its own messages or, in a fan-out, the publisher's.
    var replies: ReplyStream
    var times = SendTimes()
    /// Behind the last message that is to be sent now.
    var due: UInt64 = 0
    var cursor = OutputCursor()
    var flight = Flight()
    /// Of upload, behind the last message that a ping asks about.
    var pinged: UInt64 = 0

    /// When its connect began, and later when its end did.
    var since: UInt64 = 0
    var opening: Opening?
    var control: ControlOutput?
    /// Of wss://, from the connect on.
    var secure: SecureTransport?
    /// Of a message or a frame that came in pieces; nil between messages.
    var partial: UnsafeMutablePointer<PartialMessage>?
    /// What has come of a compressed message; nil where the message is none, or there is none.
    var compressed: [UInt8]?

    /// With the messages of `origin` to send and those of `source` to come.
    init(slot: UInt32, origin: MessageOrigin, source: MessageOrigin) {
        self.slot = slot
        self.origin = origin
        replies = ReplyStream(origin: source)
    }

    deinit {
        unsafe partial?.deallocate()
    }

    /// Whether anything waits for the kernel.
    @inline(__always)
    var hasOutput: Bool {
        cursor.sequence < due || control != nil
    }

    /// Whether the kernel may be given bytes.
    @inline(__always)
    var isWritable: Bool {
        !isAwaitingWritable && (stage == .open || stage == .closing)
    }

    /// Whether frames that come are looked at.
    var isReadable: Bool { stage == .open || stage == .closing }

    func tag(_ kind: OperationTag.Kind) -> OperationTag {
        OperationTag(kind, generation: generation, slot: slot)
    }

    /// Makes the slot free for another connection; what is under way of this one finds it gone.
    mutating func end() {
        socket = -1
        stage = .free
        generation = (generation + 1) % OperationTag.generationCount
        wasBlocked = false
        // What the next one sends is new.
        let sequence = cursor.begunCount
        cursor = OutputCursor(sequence: sequence)
        due = sequence
        replies.window = SequenceWindow(next: sequence)
        opening = nil
        control = nil
        secure = nil
        compressed = nil
        forgetPartial()
    }

    mutating func forgetPartial() {
        unsafe partial?.deallocate()
        unsafe partial = nil
    }
}

/// What a connection has until it is open.
final class Opening {
    var handshake: ClientHandshake
    /// Which of the server's addresses it is connected to.
    var addressIndex: Int
    /// Which of the source addresses it is to come from.
    let turn: Int
    /// How many of them, from that on, had no port left.
    var portlessCount = 0

    init(_ handshake: consuming ClientHandshake, addressIndex: Int, turn: Int) {
        self.handshake = handshake
        self.addressIndex = addressIndex
        self.turn = turn
    }
}

/// What is known of a message that has come in part.
struct PartialMessage {
    var decoder: MessageDecoder
    /// Bytes of its payload that were looked at.
    var byteCount = 0
    /// The first sixteen of them.
    var head: (UInt64, UInt64) = (0, 0)
    /// What they say it is; nil until they have come, or if they say nothing.
    var sequence: UInt64?
    /// Whether all is as it should be so far.
    var isIntact = true

    mutating func beginMessage() {
        byteCount = 0
        head = (0, 0)
        sequence = nil
        isIntact = true
    }
}

/// A connection where it lies: reading and changing it costs no more than that.
@safe
struct ConnectionReference {
    private let pointer: UnsafeMutablePointer<LoadConnection>

    fileprivate init(_ pointer: UnsafeMutablePointer<LoadConnection>) {
        unsafe self.pointer = unsafe pointer
    }

    var state: LoadConnection {
        @inline(__always) unsafeAddress { unsafe UnsafePointer(pointer) }
        @inline(__always) nonmutating unsafeMutableAddress { unsafe pointer }
    }
}

/// All connections of a process, which stay where they are; and the list of the dirty ones.
@safe
struct LoadConnectionTable: ~Copyable {
    let count: Int
    private let connections: UnsafeMutablePointer<LoadConnection>
    private let dirtySlots: UnsafeMutablePointer<UInt32>
    private(set) var dirtyCount = 0

    init(count: Int, _ make: (UInt32) -> LoadConnection) {
        self.count = count
        unsafe connections = UnsafeMutablePointer.allocate(capacity: count)
        unsafe dirtySlots = UnsafeMutablePointer.allocate(capacity: count)
        for slot in 0..<count {
            unsafe (connections + slot).initialize(to: make(UInt32(slot)))
        }
    }

    deinit {
        unsafe connections.deinitialize(count: count)
        unsafe connections.deallocate()
        unsafe dirtySlots.deallocate()
    }

    subscript(slot: Int) -> ConnectionReference {
        @inline(__always) get {
            assert(slot >= 0 && slot < count, "connection \(slot) of \(count)")
            return unsafe ConnectionReference(connections + slot)
        }
    }

    /// Has the connection flushed before the next wait.
    @inline(__always)
    mutating func markDirty(_ connection: ConnectionReference) {
        guard !connection.state.isDirty else { return }
        connection.state.isDirty = true
        unsafe dirtySlots[dirtyCount] = connection.state.slot
        dirtyCount += 1
    }

    /// The dirty connection at an index.
    @inline(__always)
    func dirty(at index: Int) -> ConnectionReference {
        self[Int(unsafe dirtySlots[index])]
    }

    /// Leaves a dirty connection in the list, at an index before the one that it was found at.
    func keepDirty(_ connection: ConnectionReference, at index: Int) {
        unsafe dirtySlots[index] = connection.state.slot
    }

    /// Takes those in a range of indices off the list.
    mutating func removeDirty(_ range: Range<Int>) {
        let rest = dirtyCount - range.upperBound
        unsafe (dirtySlots + range.lowerBound).update(
            from: dirtySlots + range.upperBound,
            count: rest
        )
        dirtyCount = range.lowerBound + rest
    }
}
