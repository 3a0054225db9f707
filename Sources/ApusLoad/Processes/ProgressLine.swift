// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCommandLine
import CApusSystem

/// A line on the terminal that says how far a run is; nothing where nobody looks.
struct ProgressLine {
    private static let period: UInt64 = 250_000_000

    private let connections: Int
    private let isShown = StandardError.isTerminal
    private var last: UInt64?

    init(connections: Int) {
        self.connections = connections
    }

    /// When the line is old.
    var due: UInt64? { isShown ? (last ?? 0) + Self.period : nil }

    mutating func show(
        openConnections: Int,
        messages: UInt64,
        at now: UInt64,
        in measured: Range<UInt64>?
    ) {
        guard let due, now >= due else { return }
        last = now
        var line = "\(Figures.count(UInt64(openConnections))) of"
        line += " \(Figures.count(UInt64(connections))) connections open"
        if let measured {
            line += ", " + Self.phase(at: now, in: measured, messages: messages)
        }
        StandardError.write("\r\u{1B}[K\(line)")
    }

    func clear() {
        if last != nil { StandardError.write("\r\u{1B}[K") }
    }

    private static func phase(
        at now: UInt64,
        in measured: Range<UInt64>,
        messages: UInt64
    ) -> String {
        if now < measured.lowerBound { return "warming up" }
        if now >= measured.upperBound { return "waiting for the last replies" }
        let left = (measured.upperBound - now + 999_999_999) / 1_000_000_000
        let seconds = Double(max(1, now - measured.lowerBound)) / 1e9
        return "\(Figures.fixed(Double(messages) / seconds, 0)) messages/s, \(left) s left"
    }
}
