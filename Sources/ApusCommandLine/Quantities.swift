// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

package import ApusProtocol
import ArgumentParser

/// A number of bytes as a flag takes it: `1048576`, `1024KiB`, `1MiB`.
package struct ByteSize: ExpressibleByArgument, CustomStringConvertible {
    private static let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("", 1)]

    package let byteCount: Int

    package init(_ byteCount: Int) {
        self.byteCount = byteCount
    }

    package init?(argument: String) {
        guard let (number, factor) = split(argument, Self.units),
            let count = Int(exactly: number)
        else { return nil }
        let (product, overflow) = count.multipliedReportingOverflow(by: factor)
        guard !overflow else { return nil }
        byteCount = product
    }

    package var description: String {
        for (unit, factor) in Self.units where byteCount % factor == 0 && byteCount > 0 {
            return "\(byteCount / factor)\(unit)"
        }
        return "\(byteCount)"
    }
}

/// A length of time as a flag takes it: `500ms`, `10s`, `2min`; 0 needs no unit.
package struct TimeSpan: ExpressibleByArgument, CustomStringConvertible {
    private static let units = [("min", 60000), ("ms", 1), ("s", 1000)]

    package let interval: Interval

    /// What 0 turns off has none.
    package var intervalUnlessZero: Interval? {
        interval.nanoseconds == 0 ? nil : interval
    }

    package init(_ interval: Interval) {
        self.interval = interval
    }

    package init?(argument: String) {
        guard argument != "0" else {
            self.init(.seconds(0))
            return
        }
        guard let (number, factor) = split(argument, Self.units) else { return nil }
        let (milliseconds, overflow) = number.multipliedReportingOverflow(by: UInt64(factor))
        // A hundred years are as good as for ever, and stay clear of the end of the clock.
        guard !overflow, milliseconds <= 100 * 366 * 86_400_000 else { return nil }
        self.init(.milliseconds(milliseconds))
    }

    package var description: String {
        let milliseconds = interval.nanoseconds / 1_000_000
        return milliseconds % 1000 == 0 ? "\(milliseconds / 1000)s" : "\(milliseconds)ms"
    }
}

/// The number before the first unit that ends the text, and the unit's factor.
private func split(_ text: String, _ units: [(String, Int)]) -> (UInt64, Int)? {
    for (unit, factor) in units where text.hasSuffix(unit) {
        let digits = text.dropLast(unit.count)
        guard digits.allSatisfy({ $0.isASCII && $0.isNumber }), let number = UInt64(digits) else {
            return nil
        }
        return (number, factor)
    }
    return nil
}
