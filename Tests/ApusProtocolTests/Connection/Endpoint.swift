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

    init(
        _ role: Role,
        _ configuration: ConnectionConfiguration = .limits(),
        openedAt now: Instant = .zero,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
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
        while true {
            let start = position
            let action = machine.received(&span, from: &position, at: now)
            demand(start <= position && position <= original.count, "position is in the bytes")
            if action == .needMoreBytes { break }
            demand(start < position, "every action takes a byte")
            switch action {
            case .needMoreBytes: break
            case .message(let part):
                demand(start <= part.range.lowerBound, "the part is of this call")
                demand(part.range.upperBound == position, "the part ends at the position")
                changeable.append(part.range)
                take(part, span.span)
            case .ping: finished.append(.ping(machine.controlPayload))
            case .pong: finished.append(.pong(machine.controlPayload))
            case .peerClosed(let code, let reply):
                let reason = machine.closeOutcome?.reason ?? "none"
                finished.append(.peerClosed(code, reason: reason, reply: reply))
                pending = nil
            case .fail(let violation, let sendClose):
                finished.append(.fail(violation, sendClose: sendClose))
                pending = nil
                // What was unmasked before it was found to be invalid is nobody's.
                changeable.append(start..<position)
            }
        }
        demand(position == original.count, "every byte is used")
        for range in changeable {
            buffer.replaceSubrange(range, with: original[range])
        }
        demand(buffer == original, "bytes outside of the parts are as they were")
    }

    private func take(_ part: MessagePart, _ span: Span<UInt8>) {
        parts.append(part)
        demand(part.isFirst == (pending == nil), "the first part, and no other, is marked first")
        demand(part.isLast || !part.range.isEmpty, "only a last part is empty")
        demand(
            part.remainingByteCount >= 0
                && UInt64(part.range.count + part.remainingByteCount)
                    <= configuration.frameByteCountMax,
            "the frame is within its limit"
        )
        var message = pending ?? (part.kind, [])
        demand(message.kind == part.kind, "the parts of a message are of one kind")
        for index in part.range {
            message.bytes.append(span[index])
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
