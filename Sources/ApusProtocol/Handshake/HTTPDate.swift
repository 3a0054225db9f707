// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// Dates as HTTP writes them, RFC 9110 §5.6.7.
package enum HTTPDate {
    private static let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    /// The years 1601, before which browsers read no cookie's date, to 9999, the last of four digits.
    private static let range: ClosedRange<Int64> = -11_644_473_600...253_402_300_799

    /// An IMF-fixdate: `Sun, 06 Nov 1994 08:49:37 GMT`; nil for years that it does not reach.
    package static func text(secondsSince1970 seconds: Int64) -> String? {
        guard range.contains(seconds) else { return nil }
        let secondOfDay = Int(remainder(seconds, 86_400))
        let day = (seconds - Int64(secondOfDay)) / 86_400
        let weekday = days[Int(remainder(day, 7))]
        let date = civil(day)
        return "\(weekday), \(two(date.day)) \(months[date.month - 1]) \(date.year) "
            + "\(two(secondOfDay / 3_600)):\(two(secondOfDay / 60 % 60)):\(two(secondOfDay % 60)) GMT"
    }

    /// The Gregorian date of a day counted from 1970.
    ///
    /// It counts years from March on, so that the leap day is the last of its year, in eras of 400
    /// years, which all have the same days.
    private static func civil(_ day: Int64) -> (year: Int, month: Int, day: Int) {
        let shifted = day + 719_468  // from 0000-03-01 on
        let dayOfEra = remainder(shifted, 146_097)
        let era = (shifted - dayOfEra) / 146_097
        let yearOfEra =
            (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let dayOfMonth = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        let year = era * 400 + yearOfEra + (month <= 2 ? 1 : 0)
        return (Int(year), Int(month), Int(dayOfMonth))
    }

    /// What is left of a division whose quotient is rounded down.
    private static func remainder(_ value: Int64, _ divisor: Int64) -> Int64 {
        let rest = value % divisor
        return rest < 0 ? rest + divisor : rest
    }

    private static func two(_ number: Int) -> String {
        number < 10 ? "0\(number)" : String(number)
    }
}
