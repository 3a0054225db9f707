// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// A server's side of the opening handshake, from the first byte to a decision, RFC 6455 §4.2.
///
/// It reads, and judges; the caller does all input and output and says what time it is. There is one
/// deadline for the whole head, so that a byte now and then wins nothing. A head that arrives in one
/// piece is not buffered; of one in pieces it keeps what came, up to the limit. Once it has decided,
/// it keeps nothing and ignores whatever it is still told.
public struct HandshakeStateMachine: ~Copyable {
    /// A head whose end has not come.
    private struct Reading {
        var parser: RequestHeadParser
        var bytes: [UInt8] = []
    }

    /// What came so far; nil once it is decided.
    private var reading: Reading?
    private let deadline: Instant

    /// Whether a whole head came that asks for an upgrade, well or badly.
    public private(set) var isHandshake = false

    /// Whether nothing came so far.
    package var isUntouched: Bool { reading?.bytes.isEmpty ?? false }

    /// A machine for one connection that has until `deadline` to send a whole head.
    public init(limits: HandshakeLimits = HandshakeLimits(), deadline: Instant) {
        reading = Reading(parser: RequestHeadParser(limits: limits))
        self.deadline = deadline
    }

    /// Reads what the client sent next, up to the end of the head.
    ///
    /// The bytes are the caller's and are not kept beyond the call other than as a copy. A head that
    /// is not complete by the deadline is refused here too, should the timer be late.
    public mutating func received(_ bytes: Span<UInt8>, at now: Instant) -> HandshakeAction {
        guard let progress = reading?.parser.read(bytes) else { return .needMoreBytes }
        switch progress {
        case .incomplete:
            guard now < deadline else { return refuse(.deadlinePassed) }
            reading?.bytes.append(bytes)
            return .needMoreBytes
        case .complete(let consumed):
            reading?.bytes.append(bytes.extracting(first: consumed))
            guard var done = reading.take() else { return .needMoreBytes }
            let head = done.parser.takeHead(bytes: done.bytes)
            isHandshake = HandshakeRules.isHandshake(head)
            return switch HandshakeRules.judge(head) {
            case .ordinary: .request(head, consumed: consumed)
            case .upgrade(let request): .upgrade(request, consumed: consumed)
            case .broken(let violation): .refuse(violation.refusal)
            }
        case .broken(let violation):
            return refuse(violation)
        }
    }

    /// Refuses the client once the deadline has come; earlier it changes nothing.
    public mutating func timerFired(at now: Instant) -> HandshakeAction {
        guard reading != nil, now >= deadline else { return .needMoreBytes }
        return refuse(.deadlinePassed)
    }

    /// Drops what was read: the client is gone or will send no more.
    ///
    /// A client that has only shut down its side still gets the answer to a complete head.
    public mutating func transportClosed() {
        reading = nil
    }

    private mutating func refuse(_ violation: HandshakeViolation) -> HandshakeAction {
        reading = nil
        return .refuse(violation.refusal)
    }
}

extension [UInt8] {
    /// Appends a copy of the span's bytes.
    mutating func append(_ span: Span<UInt8>) {
        // The pointer is used within the closure only, for as many bytes as the span has.
        unsafe span.withUnsafeBufferPointer { unsafe append(contentsOf: $0) }
    }
}
