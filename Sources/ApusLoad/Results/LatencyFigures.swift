// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Histogram

/// A distribution of latencies in a few figures, in microseconds.
struct LatencyFigures: Codable, Equatable {
    /// Where it is 0 the others mean nothing.
    var count: UInt64
    var p50: Double
    var p90: Double
    var p99: Double
    var p99_9: Double
    var p99_99: Double
    var max: Double
    var mean: Double

    init(_ latencies: LoadReport.Latencies) {
        func percentile(_ percentile: Double) -> Double {
            Double(latencies.valueAtPercentile(percentile)) / 1000
        }
        count = latencies.totalCount
        p50 = percentile(50)
        p90 = percentile(90)
        p99 = percentile(99)
        p99_9 = percentile(99.9)
        p99_99 = percentile(99.99)
        max = Double(latencies.max) / 1000
        mean = count > 0 ? latencies.mean / 1000 : 0
    }

    /// Whether there are enough for a percentile to be another one than the maximum: at least one
    /// lies beyond it.
    func tells(_ percentile: Double) -> Bool {
        // Rounded, since 99.9 is not quite a binary fraction.
        (Double(count) * (100 - percentile) * 1000).rounded() >= 100_000
    }
}
