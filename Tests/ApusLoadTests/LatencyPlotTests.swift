// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import ApusLoad

@Suite struct `The plot of latencies` {
    private func plot(_ plan: LoadPlan, _ outcome: LoadOutcome = .ofTwoProcesses()) -> String {
        LatencyPlot(outcome, LoadResult(outcome, of: plan)).svg
    }

    @Test func `has a curve for each kind of latency`() {
        #expect(plot(.echo()).components(of: "class=\"a\"") == 2)
        #expect(plot(.echo()).components(of: "class=\"b\"") == 0)
        #expect(plot(.echo(rate: 1)).components(of: "class=\"b\"") == 2)
    }

    @Test func `has as many nines as messages can tell of`() {
        // 2000 messages: the slowest is beyond 99.9.
        let svg = plot(.echo())
        #expect(svg.contains(">99.99<"))
        #expect(!svg.contains(">99.999<"))
    }

    @Test func `is well-formed whatever the URL, and needs nothing from elsewhere`() {
        let svg = plot(.echo())
        #expect(svg.contains("a?b=c&amp;d=e"))
        #expect(svg.hasPrefix("<svg "))
        #expect(svg.hasSuffix("</svg>\n"))
        #expect(svg.components(of: "http") == 1)
    }

    @Test func `of no messages has no curve`() {
        var outcome = LoadOutcome.ofTwoProcesses()
        outcome.processes = [LoadReport()]
        #expect(plot(.echo(), outcome).components(of: "class=\"a\"") == 1)
    }

    @Test func `says when it is no result`() {
        #expect(plot(.echo(), .ofTwoProcesses(busy: 0.97)).contains("NOT a result"))
    }

    @Test(arguments: [
        (1000.0, 1000.0, 200.0), (1001, 1200, 200), (0, 1, 0.2), (99, 100, 20), (4.1, 5, 1),
    ])
    func `has round figures on the way up`(most: Double, top: Double, step: Double) {
        let scale = PlotScale(microsecondsMax: most)
        #expect(abs(scale.top - top) < top * 1e-9)
        #expect(abs(scale.ticks[1] - step) < step * 1e-9)
    }
}

extension String {
    /// How often a text is in this one.
    fileprivate func components(of text: String) -> Int {
        var count = 0
        var rest = self[...]
        while let range = rest.firstRange(of: text) {
            count += 1
            rest = rest[range.upperBound...]
        }
        return count
    }
}
