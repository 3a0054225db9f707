// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusRing

/// Who is at the other end of a virtual socket.
protocol VirtualEnd: AnyObject {
    var address: String { get }
    var isReading: Bool { get }
    func read(_ bytes: ArraySlice<UInt8>)
    func readEnd()
    func wasReset()
}

/// One TCP connection between a virtual peer and the worker, as the kernel sees it.
final class VirtualSocket {
    /// Its descriptor; -1 until it is accepted.
    var descriptor: Int32 = -1
    weak var peer: (any VirtualEnd)?

    /// The operation that connects it, and until when nothing comes of that.
    var connecting: OperationTag?
    var connectedAfter: UInt64 = 0
    /// What comes of it; nil: nothing.
    var connectResult: Int32?

    /// Bytes of the peer that the server has not received.
    var inbound = ByteQueue()
    /// Bytes of the server that the peer has not read.
    var outbound = ByteQueue()
    /// How many of the server's bytes the kernel takes while the peer does not read.
    var outboundByteCountMax = 65536

    var peerHasEnded = false
    /// Why it is broken; nothing goes in or out any more.
    var brokenBy: Int32?
    var isShutForSending = false
    var isShut = false
    var isClosed = false

    var receiving: OperationTag?
    /// Whether its receive ends with its first completion.
    var isReceivingOnce = false
    var waitingForReadable: OperationTag?
    /// What its last receive was tagged with.
    var lastTag: OperationTag?
    var waitingForWritable: OperationTag?
    /// Operations whose last completion was not copied out.
    var operationCount = 0
    /// Until when nothing is heard of it.
    var stalledUntil: UInt64 = 0

    var isReadable: Bool {
        !inbound.isEmpty || peerHasEnded || isShut || brokenBy != nil
    }

    var isWritable: Bool {
        isShut || brokenBy != nil || outbound.count < outboundByteCountMax
    }
}

/// Bytes that come in at the end and go out at the front.
struct ByteQueue {
    private var bytes: [UInt8] = []
    private var start = 0

    var count: Int { bytes.count - start }
    var isEmpty: Bool { count == 0 }

    mutating func append(_ more: some Sequence<UInt8>) {
        bytes.append(contentsOf: more)
    }

    mutating func removeFirst(_ count: Int) -> ArraySlice<UInt8> {
        let removed = bytes[start..<start + count]
        start += count
        if start == bytes.count {
            bytes = []
            start = 0
        }
        return removed
    }

    mutating func removeAll() {
        bytes = []
        start = 0
    }
}
