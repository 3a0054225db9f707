// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusProtocol
import Testing

/// A machine that is fed, and what came out of it.
///
/// Checks on every call what holds for any input: the position moves on and never beyond the bytes,
/// parts end where the position stands, and only the bytes of parts are changed.
final class Endpoint {
    var machine: ConnectionStateMachine
    let configuration: ConnectionConfiguration
    private let sourceLocation: SourceLocation
    private(set) var parts: [MessagePart] = []
    /// What came out but for a message without its end.
    private(set) var finished: [ConnectionEvent] = []
    private var pending: (kind: MessageKind, bytes: [UInt8])?
    private var batch: ReceivedBatch
    /// After how many messages, pings and pongs the application closes.
    private let closesAfter: Int?
    private var expectsTarget = false
    /// How much room the rest of a message finds behind its beginning, each time that bytes come.
    private let targetRoom: Int

    init(
        _ role: Role,
        _ configuration: ConnectionConfiguration = .limits(),
        openedAt now: Instant = .zero,
        targetRoom: Int = 0,
        batchCapacity: Int = 64,
        closingAfter closesAfter: Int? = nil,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        self.targetRoom = targetRoom
        self.closesAfter = closesAfter
        batch = ReceivedBatch(capacity: batchCapacity)
        machine = ConnectionStateMachine(role: role, configuration: configuration, openedAt: now)
        self.configuration = configuration
        self.sourceLocation = sourceLocation
    }

    // Expectations take no property of a value that cannot be copied.
    var isOpen: Bool { machine.isOpen }
    var isClosed: Bool { machine.isClosed }

    /// Everything that came out, a message without its end last.
    var events: [ConnectionEvent] {
        guard let pending else { return finished }
        return finished + [.unfinished(pending.kind, pending.bytes)]
    }

    /// Feeds one piece of a stream, as one receive would bring it.
    func feed(_ piece: some Sequence<UInt8>, at now: Instant = .zero) {
        var buffer = Array(piece)
        let original = buffer
        var changeable: [Range<Int>] = []
        var position = 0
        var span = buffer.mutableSpan
        repeat {
            let start = position
            expectsTarget = false
            receive(&span, from: &position, at: now)
            let end = position
            demand(start <= end && end <= original.count, "position is in the bytes")
            var isRefused = false
            var hasControl = false
            var hasInvalidPayload = false
            while let action = machine.nextAction(of: &batch, in: span.span, at: now) {
                switch action {
                case .message(let part):
                    if part.payload.place == .received {
                        demand(start <= part.payload.range.lowerBound, "the part is of this call")
                        demand(part.payload.range.upperBound <= end, "the part is done with")
                        changeable.append(part.payload.range)
                    }
                    take(part, span.span)
                case .ping:
                    hasControl = true
                    finished.append(.ping(batch.controlPayload))
                case .pong:
                    hasControl = true
                    finished.append(.pong(batch.controlPayload))
                case .peerClosed(let code, let reply):
                    let reason = machine.closeOutcome?.reason ?? "none"
                    finished.append(.peerClosed(code, reason: reason, reply: reply))
                    pending = nil
                case .fail(let violation, let sendClose):
                    finished.append(.fail(violation, sendClose: sendClose))
                    pending = nil
                    isRefused = true
                    hasInvalidPayload = violation == .invalidUTF8
                }
                if finished.count == closesAfter, machine.isOpen {
                    demand(machine.close(at: now), "a Close is due")
                    pending = nil
                }
            }
            demand(
                start < end || isRefused || start == original.count || !machine.isOpen,
                "every call takes a byte"
            )
            // Where there are control frames, what is done with may be unmasked; behind that only what
            // is invalid, or what a Close of ours overtook.
            if hasControl || isRefused { changeable.append(start..<end) }
            if hasInvalidPayload || !machine.isOpen { changeable.append(end..<original.count) }
            if !machine.isOpen { changeable.append(start..<end) }
        } while position < original.count
        demand(position == original.count, "every byte is used")
        for range in changeable {
            buffer.replaceSubrange(range, with: original[range])
        }
        demand(buffer == original, "bytes outside of the payloads are as they were")
    }

    private func receive(
        _ span: inout MutableSpan<UInt8>,
        from position: inout Int,
        at now: Instant
    ) {
        guard targetRoom > 0, pending != nil else {
            machine.receive(&span, from: &position, into: &batch, at: now)
            return
        }
        expectsTarget = machine.isOpen
        pending?.bytes.append(addingCapacity: targetRoom) { target in
            machine.receive(&span, from: &position, into: &batch, continuingIn: &target, at: now)
        }
    }

    private func take(_ part: MessagePart, _ span: Span<UInt8>) {
        parts.append(part)
        if expectsTarget {
            demand(part.payload.place == .target, "the rest goes where its beginning is")
            expectsTarget = false
        }
        demand(part.isFirst == (pending == nil), "the first part, and no other, is marked first")
        demand(part.isLast || !part.payload.range.isEmpty, "only a last part is empty")
        demand(
            part.remainingByteCount >= 0
                && UInt64(part.payload.range.count + part.remainingByteCount)
                    <= configuration.frameByteCountMax,
            "the frame is within its limit"
        )
        var message = pending ?? (part.kind, [])
        demand(message.kind == part.kind, "the parts of a message are of one kind")
        if part.payload.place == .received {
            for index in part.payload.range {
                message.bytes.append(span[index])
            }
        } else {
            demand(part.payload.place == .target, "data is not collected")
            demand(!part.isFirst, "the beginning is not stored")
            demand(part.payload.range.upperBound <= message.bytes.count, "the part is stored")
        }
        demand(
            UInt64(message.bytes.count) <= configuration.messageByteCountMax,
            "the message is within its limit"
        )
        if part.isLast {
            finished.append(.message(message.kind, message.bytes))
            pending = nil
        } else {
            pending = message
        }
    }

    private func demand(_ holds: Bool, _ rule: Comment) {
        if !holds { Issue.record(rule, sourceLocation: sourceLocation) }
    }
}

extension Instant {
    static let zero = Instant(nanoseconds: 0)

    static func seconds(_ count: UInt64) -> Instant { zero.advanced(by: .seconds(count)) }
    static func milliseconds(_ count: UInt64) -> Instant { zero.advanced(by: .milliseconds(count)) }
}
