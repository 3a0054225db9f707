// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// How one run did beside another.
struct Comparison {
    /// Less than this two single runs differ by chance.
    static let noise = 0.05

    private let first: LoadResult
    private let second: LoadResult

    init(_ first: LoadResult, _ second: LoadResult) {
        self.first = first
        self.second = second
    }

    var text: String {
        let head = [Self.row(["", "A", "B", "B / A"])]
        let rows = figures.map { figure in
            Self.row([
                figure.name, figure.text(figure.first), figure.text(figure.second),
                Figures.fixed(figure.second / figure.first, 3),
            ])
        }
        let warnings = warnings.map { "Warning: \($0)." }
        return (head + rows + [""] + warnings + [verdict]).joined(separator: "\n")
    }

    /// What makes the two incomparable, or not results at all.
    var warnings: [String] {
        var warnings: [String] = []
        for (name, result) in [("A", first), ("B", second)] {
            if result.clientBound { warnings.append("in \(name) the load was the limit") }
            if result.interrupted { warnings.append("\(name) was ended early") }
            if !result.isFlawless { warnings.append("in \(name) something failed or was lost") }
        }
        let different = first.plan.differences(from: second.plan)
        if !different.isEmpty {
            warnings.append("the two differ in \(different.joined(separator: ", "))")
        }
        if first.machine != second.machine { warnings.append("they ran on different machines") }
        if first.version != second.version { warnings.append("the versions of apus-load differ") }
        return warnings
    }

    /// One sentence.
    var verdict: String {
        if first.clientBound || second.clientBound {
            return "No verdict: where the load is the limit, nothing is known of the server."
        }
        let parts = figures.filter(\.isInVerdict).map { figure in
            let ratio = figure.second / figure.first
            if abs(ratio - 1) < Self.noise { return "about the same \(figure.name)" }
            return "\(Figures.number(ratio)) times the \(figure.name)"
        }
        guard !parts.isEmpty else { return "No verdict: the two have no figure in common." }
        return "B has \(parts.joined(separator: ", "))."
    }

    private struct Figure {
        var name: String
        var first: Double
        var second: Double
        var isInVerdict = false
        var text: (Double) -> String
    }

    /// Those that both have.
    private var figures: [Figure] {
        let time = Figures.time(microseconds:)
        var all = [
            Figure(
                name: "messages/s",
                first: first.messagesPerSecond,
                second: second.messagesPerSecond,
                // The rate of an open model is what was asked for.
                isInVerdict: first.plan.rate == nil && second.plan.rate == nil
            ) { Figures.fixed($0, 0) }
        ]
        let percentiles: [(Double, KeyPath<LatencyFigures, Double>, Bool)] = [
            (50, \.p50, true), (90, \.p90, false), (99, \.p99, true), (99.9, \.p99_9, false),
        ]
        for (percentile, key, isInVerdict) in percentiles
        where first.latency.tells(percentile) && second.latency.tells(percentile) {
            all.append(
                Figure(
                    name: "p\(Figures.number(percentile)) latency",
                    first: first.latency[keyPath: key],
                    second: second.latency[keyPath: key],
                    isInVerdict: isInVerdict,
                    text: time
                )
            )
        }
        if first.handshake.tells(99), second.handshake.tells(99) {
            all.append(
                Figure(
                    name: "p99 handshake",
                    first: first.handshake.p99,
                    second: second.handshake.p99,
                    text: time
                )
            )
        }
        if let first = first.server, let second = second.server {
            all.append(
                Figure(
                    name: "server CPU a message",
                    first: first.cpuMicrosecondsPerMessage ?? 0,
                    second: second.cpuMicrosecondsPerMessage ?? 0,
                    isInVerdict: true,
                    text: time
                )
            )
            all.append(
                Figure(
                    name: "server RSS",
                    first: Double(first.rssBytes),
                    second: Double(second.rssBytes),
                    text: Figures.bytes
                )
            )
        }
        return all.filter { $0.first > 0 && $0.second > 0 }
    }

    private static func row(_ cells: [String]) -> String {
        cells.enumerated().map { index, cell in
            let space = String(repeating: " ", count: max(0, (index == 0 ? 22 : 14) - cell.count))
            return index == 0 ? cell + space : space + cell
        }
        .joined()
    }
}

extension PlanFigures {
    /// The flags that differ, by name; the addresses of two servers are expected to.
    func differences(from other: PlanFigures) -> [String] {
        [
            ("--mode", mode != other.mode),
            ("--connections", connections != other.connections),
            ("--inflight", inflight != other.inflight),
            ("--size", size != other.size),
            ("--text or --binary", type != other.type),
            ("--compression", (compression ?? .off) != (other.compression ?? .off)),
            ("--duration", durationSeconds != other.durationSeconds),
            ("--warm-up", warmUpSeconds != other.warmUpSeconds),
            ("--rate", rate != other.rate),
            ("--arrivals", arrivals != other.arrivals),
            ("--connect-rate", connectRate != other.connectRate),
            ("--source-addresses", sourceAddresses != other.sourceAddresses),
            ("--processes", processes != other.processes),
            ("--subprotocol", subprotocols != other.subprotocols),
            ("--seed", seed != other.seed),
        ]
        .filter(\.1).map(\.0)
    }
}
