// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec

/// What one call of ``ConnectionStateMachine/receive(_:from:into:at:)`` found, to be asked for by
/// ``ConnectionStateMachine/nextAction(of:in:at:)``.
///
/// Its memory is used again for every call, so one of them does for all connections of a thread.
public struct ReceivedBatch: ~Copyable {
    var events: DecodedEvents
    var violation: ProtocolViolation?
    /// Whether our own Close had not gone out when the bytes were decoded.
    var wasOpen = true
    /// No event is behind the largest number: that is how a batch is held without a further check.
    private var nextIndex = 0
    private var heldIndex = 0

    /// The unmasked payload of the ping or pong that the last action is about, up to 125 bytes.
    public private(set) var controlPayload: [UInt8] = []

    /// Room for what `capacity` events need, at least one.
    public init(capacity: Int = 64) {
        events = DecodedEvents(capacity: capacity)
    }

    /// Hands nothing more out until ``release()``: whoever handles it wants to go on later.
    public mutating func hold() {
        guard !isHeld else { return }
        heldIndex = nextIndex
        nextIndex = .max
    }

    /// Whether what it has left is held.
    public var isHeld: Bool { nextIndex == .max }

    /// Goes on where ``hold()`` stopped it.
    public mutating func release() {
        guard isHeld else { return }
        nextIndex = heldIndex
    }

    mutating func removeAll() {
        events.removeAll()
        violation = nil
        nextIndex = 0
    }

    /// Whether neither an event nor a violation is left to be handed out.
    @inline(__always)
    var isUsedUp: Bool { nextIndex >= events.count && violation == nil }

    /// The next event if it is a part of a message; nil, and nothing taken, if it is not.
    @inline(__always)
    mutating func nextMessagePart() -> MessagePart? {
        guard nextIndex < events.count, let part = events.messagePart(at: nextIndex) else {
            return nil
        }
        nextIndex += 1
        return part
    }

    mutating func nextEvent() -> DecodedEvent? {
        guard nextIndex < events.count else { return nil }
        defer { nextIndex += 1 }
        return events[nextIndex]
    }

    mutating func keepControlPayload(_ bytes: Span<UInt8>) {
        controlPayload.removeAll(keepingCapacity: true)
        unsafe bytes.withUnsafeBufferPointer { unsafe controlPayload.append(contentsOf: $0) }
    }
}
