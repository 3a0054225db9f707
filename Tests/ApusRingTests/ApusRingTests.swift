// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusRing
import Testing

@Suite struct SelfTests {
    @Test(arguments: [nil, true, false])
    func `kernel passes the self-test again and again on one ring`(isIncremental: Bool?) throws {
        let ring = try Ring(configuration: .init(incrementalBuffers: isIncremental))
        for _ in 0..<3 {
            try ring.selfTest()
        }
        #expect(ring.lentBufferCount == 0)
        #expect(try ring.wait(nanosecondsMax: 0) == 0)
    }
}

@Suite struct Reports {
    @Test func `this kernel suffices`() {
        let report = RingReport.inspect()
        #expect(report.isSufficient)
    }
}
