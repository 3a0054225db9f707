// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

extension ConnectionStateMachine {
    /// When ``timerFired(at:)`` is due; nil for never.
    ///
    /// It only moves on: received bytes don't rearm a timer, the timer asks when it fires.
    public var deadline: Instant? {
        switch state {
        case .closing, .closed:
            mark
        case .open:
            if isPingSent {
                mark.advanced(by: configuration.keepaliveGracePeriod)
            } else if let interval = configuration.keepaliveInterval {
                lastActivity.advanced(by: interval)
            } else {
                nil
            }
        }
    }

    /// The peer shows life in another way than by bytes: it took bytes that were waiting for it.
    public mutating func peerMadeProgress(at now: Instant) {
        lastActivity = now
    }

    /// A deadline may have passed.
    public mutating func timerFired(at now: Instant) -> ConnectionTimerAction {
        if isOpen, isPingSent, lastActivity > mark { isPingSent = false }
        guard let deadline, deadline <= now else { return .wait(until: self.deadline) }
        switch state {
        case .closing, .closed:
            return .closeTimedOut
        case .open:
            guard !isPingSent else { return .keepaliveTimedOut }
            isPingSent = true
            mark = now
            return .sendPing(until: now.advanced(by: configuration.keepaliveGracePeriod))
        }
    }
}
