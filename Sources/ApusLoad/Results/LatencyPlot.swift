// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Histogram

/// The latencies of a run by percentile, as an SVG file that needs nothing else.
///
/// The way right is that of HdrHistogram's plots: each equal step has another nine, so that the
/// slowest messages have as much room as the usual ones.
struct LatencyPlot {
    private typealias Series = (name: String, style: String, latencies: LoadReport.Latencies)

    private static let width = 860.0
    private static let height = 460.0
    private static let left = 90.0
    private static let right = 830.0
    private static let top = 96.0
    private static let bottom = 400.0

    private let series: [Series]
    private let title: String
    private let subtitle: String
    /// How many nines the way right has.
    private let nines: Int
    private let scale: PlotScale

    init(_ outcome: LoadOutcome, _ result: LoadResult) {
        let report = outcome.report
        if result.latencyFromSend == nil {
            series = [("latency", "a", report.latency)]
        } else {
            series = [
                ("from when it was due", "a", report.latencyFromIntended),
                ("from when it was sent", "b", report.latency),
            ]
        }
        title = result.plan.url
        subtitle =
            result.clientBound
            ? "NOT a result: the load was the limit, not the server" : result.plan.sentence
        // Of a thousand messages the slowest is at 99.9: there is nothing beyond.
        let count = series.map(\.latencies.totalCount).max() ?? 0
        nines = Int(max(1, log10(Double(max(count, 1))).rounded(.up)))
        scale = PlotScale(microsecondsMax: Double(series.map(\.latencies.max).max() ?? 0) / 1000)
    }

    var svg: String {
        var body = Self.text(title, Self.left, 30, "class=\"title\"")
        body += Self.text(subtitle, Self.left, 52)
        body += axes
        for (index, one) in series.enumerated() {
            body += path(one)
            let x = Self.left + Double(index) * 220
            body += "<path class=\"\(one.style)\" d=\"M\(Self.short(x)) 72h24\"/>\n"
            body += Self.text(one.name, x + 32, 76)
        }
        return """
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(Int(Self.width)) \
            \(Int(Self.height))" font-family="system-ui, sans-serif" font-size="13">
            <style>
            svg { background: #fff; color: #222 }
            text { fill: currentColor }
            path { fill: none; stroke-width: 1 }
            .title { font-size: 16px; font-weight: 600 }
            .grid { stroke: currentColor; stroke-opacity: .18 }
            .a { stroke: #0969da; stroke-width: 2 }
            .b { stroke: #bc4c00; stroke-width: 2; stroke-dasharray: 6 3 }
            @media (prefers-color-scheme: dark) {
            svg { background: #0d1117; color: #e6edf3 }
            .a { stroke: #58a6ff }
            .b { stroke: #f0883e }
            }
            </style>
            \(body)</svg>

            """
    }

    private var axes: String {
        var body = ""
        for nine in 0...nines {
            let x = x(nine: Double(nine))
            body +=
                "<path class=\"grid\" d=\"M\(Self.short(x)) \(Int(Self.top))V\(Int(Self.bottom))\"/>\n"
            body += Self.text(
                Self.percentile(nines: nine),
                x,
                Self.bottom + 20,
                "text-anchor=\"middle\""
            )
        }
        for tick in scale.ticks {
            let y = y(tick)
            body +=
                "<path class=\"grid\" d=\"M\(Int(Self.left)) \(Self.short(y))H\(Int(Self.right))\"/>\n"
            body += Self.text(
                Figures.time(microseconds: tick),
                Self.left - 8,
                y + 4,
                "text-anchor=\"end\""
            )
        }
        return body
            + Self.text(
                "percentile of messages",
                (Self.left + Self.right) / 2,
                Self.bottom + 44,
                "text-anchor=\"middle\""
            )
    }

    /// A curve from the fastest message to the slowest.
    private func path(_ series: Series) -> String {
        let total = series.latencies.totalCount
        guard total > 0 else { return "" }
        // Fifty points between two nines are more than a screen shows.
        let steps = nines * 50
        var points: [String] = []
        for step in 0...steps {
            let nine = Double(step) / 50
            let rest = pow(10, -nine)
            let isLast = rest * Double(total) < 1
            let latency =
                isLast
                ? series.latencies.max : series.latencies.valueAtPercentile(100 * (1 - rest))
            points.append("\(Self.short(x(nine: nine))) \(Self.short(y(Double(latency) / 1000)))")
            if isLast { break }
        }
        return "<path class=\"\(series.style)\" d=\"M\(points.joined(separator: "L"))\"/>\n"
    }

    private func x(nine: Double) -> Double {
        Self.left + (Self.right - Self.left) * nine / Double(nines)
    }

    private func y(_ microseconds: Double) -> Double {
        Self.bottom - (Self.bottom - Self.top) * microseconds / scale.top
    }

    /// As the axis has it: `0`, `90`, `99`, `99.9`.
    static func percentile(nines: Int) -> String {
        switch nines {
        case 0: "0"
        case 1: "90"
        case 2: "99"
        default: "99." + String(repeating: "9", count: nines - 2)
        }
    }

    private static func text(
        _ text: String,
        _ x: Double,
        _ y: Double,
        _ attributes: String = ""
    ) -> String {
        let escaped = text.reduce(into: "") { escaped, character in
            switch character {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            default: escaped.append(character)
            }
        }
        return "<text x=\"\(short(x))\" y=\"\(short(y))\" \(attributes)>\(escaped)</text>\n"
    }

    /// A coordinate to a tenth of a pixel.
    private static func short(_ value: Double) -> String {
        Figures.fixed(value, 1)
    }
}

/// Round figures on the way up.
struct PlotScale {
    let ticks: [Double]

    /// The highest of them.
    var top: Double { ticks.last ?? 1 }

    init(microsecondsMax: Double) {
        let rough = max(microsecondsMax, 1) / 5
        let power = pow(10, log10(rough).rounded(.down))
        let step = [1, 2, 5, 10].map { $0 * power }.first { $0 >= rough * 0.999 } ?? 10 * power
        let count = Int((max(microsecondsMax, 1) / step).rounded(.up))
        ticks = (0...count).map { Double($0) * step }
    }
}
