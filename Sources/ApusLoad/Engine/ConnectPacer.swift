// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// When the next connection may be opened, of a rate that is not to be exceeded.
///
/// It slips: what was not opened in its time is not made up for, or a stall of the load would end in
/// a burst.
struct ConnectPacer {
    /// Turns come late by about so much all the time, in nanoseconds; that alone is made up for.
    static let latenessMax: UInt64 = 1_000_000

    /// Between two; nanoseconds, rounded up.
    private let interval: UInt64
    /// When the next one may be opened.
    private(set) var next: UInt64

    /// The first one so much of an interval after the start as `offset` says.
    init(start: UInt64, rateMax: Double, offset: Double = 0) {
        precondition(rateMax > 0, "a rate of \(rateMax)")
        // Years are as good as never.
        interval = UInt64(min(1e17, 1e9 / rateMax).rounded(.up))
        next = start + UInt64(offset * Double(interval))
    }

    /// Whether one may be opened now, which then counts as opened.
    mutating func take(at now: UInt64) -> Bool {
        guard next <= now else { return false }
        next = max(next, now - min(now, Self.latenessMax)) + interval
        return true
    }
}
