// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// When messages are due: a schedule of its own, whatever becomes of the messages.
///
/// It does not slip. What is asked for late is still due when it was due.
struct Pacer {
    private let start: UInt64
    /// Between two, on average; nanoseconds.
    private let interval: Double
    private let isPoisson: Bool
    private let seed: UInt64
    private let offset: Double
    private var index: UInt64 = 0
    /// Nanoseconds after the start.
    private var elapsed = 0.0

    /// When the next one is due, in nanoseconds of the clock that `start` is of.
    private(set) var next: UInt64

    /// Of a constant rate the first one is due so much of an interval after the start as `offset`
    /// says.
    init(
        start: UInt64,
        rate: Double,
        arrivals: LoadPlan.Arrivals = .constant,
        offset: Double = 0,
        seed: UInt64 = 0
    ) {
        precondition(rate > 0, "a rate of \(rate)")
        self.start = start
        self.seed = seed
        self.offset = offset
        // Years are as good as never.
        interval = min(1e17, 1e9 / rate)
        isPoisson = arrivals == .poisson
        next = start + UInt64(offset * interval)
        // The first of a Poisson process is not due at once either.
        if isPoisson { advance() }
    }

    /// When the next one was due, if it is by now; moves on to the one behind it.
    mutating func takeDue(at now: UInt64) -> UInt64? {
        guard next <= now else { return nil }
        defer { advance() }
        return next
    }

    /// About how many are due by now and were not taken; exactly, where the rate is constant.
    func dueCount(at now: UInt64) -> UInt64 {
        next < now ? UInt64((Double(now - next) / interval).rounded(.up)) : 0
    }

    private mutating func advance() {
        index += 1
        if isPoisson {
            // From (0, 1], so that the logarithm is finite.
            let uniform = Double(Mixer.mix(seed, index) >> 11 + 1) * 0x1p-53
            elapsed -= log(uniform) * interval
        } else {
            elapsed = (Double(index) + offset) * interval
        }
        next = start + UInt64(elapsed)
    }
}
