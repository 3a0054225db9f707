// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// A point of the caller's monotonic clock, in nanoseconds.
///
/// The machines never read a clock: whoever feeds them says what time it is.
public struct Instant: Comparable, Hashable, Sendable {
    /// Nanoseconds since a start that the caller chose.
    public var nanoseconds: UInt64

    /// The point this many nanoseconds after the clock's start.
    public init(nanoseconds: UInt64) {
        self.nanoseconds = nanoseconds
    }

    /// The point `interval` later; the end of time where that is beyond it.
    public func advanced(by interval: Interval) -> Instant {
        let (sum, overflow) = nanoseconds.addingReportingOverflow(interval.nanoseconds)
        return Instant(nanoseconds: overflow ? .max : sum)
    }

    /// Whether `lhs` comes first.
    public static func < (lhs: Instant, rhs: Instant) -> Bool {
        lhs.nanoseconds < rhs.nanoseconds
    }
}

/// A length of time in whole nanoseconds, never negative.
///
/// What `Duration` holds in 128 bits, in the 64 that a connection has room for.
public struct Interval: Comparable, Hashable, Sendable {
    /// The length in nanoseconds.
    public var nanoseconds: UInt64

    /// A length of that many nanoseconds.
    public init(nanoseconds: UInt64) {
        self.nanoseconds = nanoseconds
    }

    /// A length of that many milliseconds.
    public static func milliseconds(_ count: UInt64) -> Interval {
        Interval(nanoseconds: count * 1_000_000)
    }

    /// A length of that many seconds.
    public static func seconds(_ count: UInt64) -> Interval {
        Interval(nanoseconds: count * 1_000_000_000)
    }

    /// Whether `lhs` is shorter.
    public static func < (lhs: Interval, rhs: Interval) -> Bool {
        lhs.nanoseconds < rhs.nanoseconds
    }
}
