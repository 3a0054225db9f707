// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import ApusLoad

@Suite struct `Two results beside each other` {
    private func result(_ change: (inout LoadResult) -> Void = { _ in }) -> LoadResult {
        var result = LoadResult(.ofTwoProcesses().withServer(), of: .echo())
        change(&result)
        return result
    }

    @Test func `that are alike are about the same, without a warning`() {
        let comparison = Comparison(result(), result { $0.messagesPerSecond *= 1.04 })
        #expect(comparison.warnings == [])
        #expect(comparison.verdict.contains("about the same messages/s"))
    }

    @Test func `have ratios, and a verdict that names them`() {
        let comparison = Comparison(
            result(),
            result {
                $0.messagesPerSecond *= 2
                $0.server?.cpuMicrosecondsPerMessage = 125
            }
        )
        #expect(comparison.verdict.contains("2 times the messages/s"))
        #expect(comparison.verdict.contains("0.250 times the server CPU a message"))
        #expect(comparison.text.contains("2.000"))
    }

    @Test func `that were not asked the same are warned of, by the flag`() {
        let comparison = Comparison(result(), result { $0.plan.inflight = 16 })
        #expect(comparison.warnings == ["the two differ in --inflight"])
    }

    @Test func `of which one is compressed are warned of, whatever version printed the other`() {
        let compressed = result { $0.plan.compression = .shared }
        for other in [CompressionMode.off, nil] {
            let plain = result { $0.plan.compression = other }
            let comparison = Comparison(plain, compressed)
            #expect(comparison.warnings == ["the two differ in --compression"])
            #expect(Comparison(plain, result()).warnings == [])
        }
    }

    @Test func `of different servers are what is compared`() {
        #expect(Comparison(result(), result { $0.plan.url = "ws://b/" }).warnings == [])
    }

    @Test func `have the percentiles that both have messages enough for`() {
        func texts(_ count: UInt64) -> [String] {
            let comparison = Comparison(result(), result { $0.latency.count = count })
            return ["p50", "p90", "p99", "p99.9"].filter {
                comparison.text.contains("\n\($0) latency ")
            }
        }
        #expect(texts(2000) == ["p50", "p90", "p99", "p99.9"])
        #expect(texts(500) == ["p50", "p90", "p99"])
        #expect(texts(50) == ["p50", "p90"])
    }

    @Test func `of which one is the load's limit have no verdict`() {
        let comparison = Comparison(result { $0.clientBound = true }, result())
        #expect(comparison.warnings.count == 1)
        #expect(comparison.verdict.contains("No verdict"))
    }

    @Test func `of which one lost something or was ended are warned of`() {
        #expect(Comparison(result(), result { $0.lost = 1 }).warnings.count == 1)
        #expect(Comparison(result { $0.interrupted = true }, result()).warnings.count == 1)
    }
}
