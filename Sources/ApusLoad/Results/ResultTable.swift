// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// A result as people read it.
struct ResultTable {
    private let result: LoadResult

    init(_ result: LoadResult) {
        self.result = result
    }

    var text: String {
        var lines = [result.plan.url, result.plan.sentence, ""]
        if let reason = result.clientBoundReason {
            lines += [
                "This is NOT a result: the load was the limit, not the server.",
                reason + ".", "",
            ]
        } else {
            lines += throughput
        }
        if result.interrupted {
            lines += [
                "Ended early, after \(Figures.number(result.durationSeconds)) s of measuring.", "",
            ]
        }
        lines += latencies + [""]
        let connections = result.connections
        lines.append(
            Self.row(
                "connections",
                "\(Figures.count(connections.opened)) opened of"
                    + " \(Figures.count(connections.asked)),"
                    + " \(Figures.count(connections.failed)) failed"
            )
        )
        lines += compression
        lines += server
        lines.append(
            Self.row("load", "busiest process \(Figures.percent(result.client.busiest)) of a core")
        )
        if result.client.missedDeadlines > 0 {
            let count = Figures.count(result.client.missedDeadlines)
            lines.append(Self.row("late", "\(count) sent over 1 ms after they were due"))
        }
        lines += faults
        return lines.joined(separator: "\n")
    }

    private var isAboutMessages: Bool { result.plan.mode != .idle }

    private var throughput: [String] {
        guard isAboutMessages else { return [] }
        return [
            Self.row(
                "throughput",
                "\(Figures.fixed(result.messagesPerSecond, 0)) messages/s,"
                    + " \(Figures.bytes(result.bytesPerSecond))/s"
                    + " (\(Figures.count(result.messages)) messages in"
                    + " \(Figures.number(result.durationSeconds)) s)"
            ),
            "",
        ]
    }

    private var latencies: [String] {
        var rows: [(String, LatencyFigures)] = []
        if let fromSend = result.latencyFromSend {
            rows = [("from when it was due", result.latency), ("from when it was sent", fromSend)]
        } else {
            rows = [("latency", result.latency)]
        }
        rows.append(("handshake", result.handshake))
        let percentiles: [(Double, KeyPath<LatencyFigures, Double>)] = [
            (50, \.p50), (90, \.p90), (99, \.p99), (99.9, \.p99_9), (99.99, \.p99_99),
        ]
        let heads = ["p50", "p90", "p99", "p99.9", "p99.99", "max", "mean"]
        let table = rows.filter { $0.1.count > 0 }.map { name, figures in
            let cells = percentiles.map { percentile, key in
                figures.tells(percentile) ? Figures.time(microseconds: figures[keyPath: key]) : "–"
            }
            let others = [figures.max, figures.mean].map(Figures.time)
            return Self.columns(name, cells + others)
        }
        return [Self.columns("", heads)] + table
    }

    private var compression: [String] {
        guard let compression = result.compression, let agreed = compression.extension else {
            return []
        }
        var text = "messages sent as \(Figures.bytes(Double(compression.sentBytesPerMessage)))"
        if compression.receivedMessageBytes > 0 {
            let part =
                Double(compression.receivedWireBytes) / Double(compression.receivedMessageBytes)
            text += ", received as \(Figures.percent(part)) of their size"
        }
        return [Self.row("compression", text), Self.row("", agreed)]
    }

    private var server: [String] {
        guard let server = result.server else { return [] }
        var rows: [String] = []
        if let seconds = server.cpuSeconds, let busiest = server.busiestThread {
            var cpu = "\(Figures.fixed(seconds, 2)) s on processors"
            cpu += ", busiest thread \(Figures.percent(busiest))"
            if let each = server.cpuMicrosecondsPerMessage, isAboutMessages, !result.clientBound {
                cpu += ", \(Figures.number(each)) µs a message"
            }
            rows.append(Self.row("server", cpu))
        }
        var memory = "RSS \(Figures.bytes(Double(server.rssBytes)))"
        if let pss = server.pssBytes { memory += ", PSS \(Figures.bytes(Double(pss)))" }
        let opened = result.connections.opened
        // Of fewer, what a server does once weighs more than its connections.
        if opened >= 1000, result.plan.mode != .churn {
            let each = Double(server.rssBytes - server.rssBytesBefore) / Double(opened)
            memory += ", \(Figures.bytes(max(0, each))) a connection more than before"
        }
        return rows + [Self.row("server memory", memory)]
    }

    private var faults: [String] {
        var lines: [String] = []
        if !result.errors.isEmpty {
            let kinds = result.errors.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
            lines.append(
                Self.row(
                    "errors",
                    kinds.map { "\($0.key) \(Figures.count($0.value))" }.joined(separator: ", ")
                )
            )
        }
        let replies =
            [
                ("lost", result.lost), ("duplicated", result.duplicated),
                ("reordered", result.reordered), ("corrupted", result.corrupted),
            ]
            .filter { $0.1 > 0 }.map { "\($0.0) \(Figures.count($0.1))" }
        // Of none nothing good can be said.
        let good =
            result.messages == 0
            ? "none came in the measured time" : "each came once, in order and whole"
        lines.append(
            Self.row("replies", replies.isEmpty ? good : replies.joined(separator: ", "))
        )
        return lines
    }

    private static func row(_ name: String, _ text: String) -> String {
        padded(name, 15) + text
    }

    private static func columns(_ name: String, _ cells: [String]) -> String {
        padded(name, 22) + cells.map { leading($0, 10) }.joined()
    }

    private static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }

    private static func leading(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }
}
