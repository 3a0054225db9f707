// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// Waits for the one final response to a request, however its bytes are cut, until a deadline.
///
/// Interim responses (100, 102, 103) are read over, RFC 9110 §15.2; 101 is final here. Once it has an
/// outcome it keeps nothing and ignores whatever it is still told.
struct ResponseReader {
    enum Outcome {
        case needMoreBytes
        /// `consumed` bytes of this call's span belong to the response's head or to earlier ones.
        case response(ResponseHead, consumed: Int)
        case broken(ClientHandshakeViolation)
    }

    /// A head whose end has not come.
    private struct Reading {
        var parser: ResponseHeadParser
        var bytes: [UInt8] = []
        var interimCount = 0
    }

    /// More mean that the server does not get on.
    private static let interimCountMax = 8

    /// What came so far; nil once there is an outcome.
    private var reading: Reading?
    private let limits: HandshakeLimits
    private let deadline: Instant

    init(limits: HandshakeLimits, deadline: Instant) {
        self.limits = limits
        self.deadline = deadline
        reading = Reading(parser: ResponseHeadParser(limits: limits))
    }

    mutating func received(_ bytes: Span<UInt8>, at now: Instant) -> Outcome {
        var start = 0
        while let progress = reading?.parser.read(bytes, from: start) {
            switch progress {
            case .incomplete:
                guard now < deadline else { return fail(.deadlinePassed) }
                reading?.bytes.append(bytes.extracting(start..<bytes.count))
                return .needMoreBytes
            case .complete(let consumed):
                reading?.bytes.append(bytes.extracting(start..<consumed))
                guard var done = reading.take() else { return .needMoreBytes }
                let head = done.parser.takeHead(bytes: done.bytes)
                guard 100..<200 ~= head.status, head.status != 101 else {
                    return .response(head, consumed: consumed)
                }
                guard done.interimCount < Self.interimCountMax else {
                    return fail(.tooManyInterimResponses)
                }
                reading = Reading(
                    parser: ResponseHeadParser(limits: limits),
                    interimCount: done.interimCount + 1
                )
                start = consumed
            case .broken(let violation):
                return fail(violation)
            }
        }
        return .needMoreBytes
    }

    mutating func timerFired(at now: Instant) -> Outcome {
        guard reading != nil, now >= deadline else { return .needMoreBytes }
        return fail(.deadlinePassed)
    }

    mutating func transportClosed() -> Outcome {
        reading == nil ? .needMoreBytes : fail(.connectionClosed)
    }

    private mutating func fail(_ violation: ClientHandshakeViolation) -> Outcome {
        reading = nil
        return .broken(violation)
    }
}
