// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// Figures as people read them.
enum Figures {
    /// With commas: `1,234,567`.
    static func count(_ count: UInt64) -> String {
        let digits = Array(String(count))
        return String(
            digits.indices.flatMap { index in
                index > 0 && (digits.count - index) % 3 == 0
                    ? [",", digits[index]] : [digits[index]]
            }
        )
    }

    static func plural(_ count: Int, _ noun: String) -> String {
        "\(self.count(UInt64(max(0, count)))) \(noun)\(count == 1 ? "" : "s")"
    }

    /// With so many digits behind the point.
    static func fixed(_ value: Double, _ digits: Int) -> String {
        guard value.isFinite, abs(value) < 1e15 else { return "\(value)" }
        let scale = (0..<digits).reduce(1.0) { scale, _ in scale * 10 }
        let scaled = UInt64((abs(value) * scale).rounded())
        let sign = value < 0 && scaled > 0 ? "-" : ""
        let whole = count(scaled / UInt64(scale))
        guard digits > 0 else { return sign + whole }
        let part = String(scaled % UInt64(scale))
        return sign + whole + "." + String(repeating: "0", count: digits - part.count) + part
    }

    /// With three significant digits at least, and none behind the point that say nothing.
    static func number(_ value: Double) -> String {
        if value == value.rounded() { return fixed(value, 0) }
        return fixed(value, abs(value) < 1 ? 3 : abs(value) < 10 ? 2 : abs(value) < 100 ? 1 : 0)
    }

    static func percent(_ part: Double) -> String {
        fixed(part * 100, part < 0.1 ? 1 : 0) + " %"
    }

    static func time(microseconds value: Double) -> String {
        switch value {
        case ..<1000: number(value) + " µs"
        case ..<1_000_000: number(value / 1000) + " ms"
        default: number(value / 1_000_000) + " s"
        }
    }

    static func bytes(_ value: Double) -> String {
        switch value {
        case ..<1024: fixed(value, 0) + " B"
        case ..<1_048_576: number(value / 1024) + " KiB"
        case ..<1_073_741_824: number(value / 1_048_576) + " MiB"
        default: number(value / 1_073_741_824) + " GiB"
        }
    }
}
