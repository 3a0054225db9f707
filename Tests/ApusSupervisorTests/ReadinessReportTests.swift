// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusSupervisor
import Testing

@Suite struct ReadinessReportTests {
    @Test(arguments: [
        ReadinessReport.ready,
        .failed(exitCode: 71, line: "io_uring is refused; allow it"),
        .failed(exitCode: 255, line: ""),
    ])
    func `report arrives as it was sent`(report: ReadinessReport) {
        #expect(ReadinessReport(bytes: report.bytes[...]) == report)
    }

    @Test func `failure stays one line`() {
        let sent = ReadinessReport.failed(exitCode: 1, line: "a\nb\r\nc")
        #expect(
            ReadinessReport(bytes: sent.bytes[...]) == .failed(exitCode: 1, line: "a b  c")
        )
    }

    @Test func `long failure is cut to what a pipe takes at once`() {
        let sent = ReadinessReport.failed(exitCode: 1, line: String(repeating: "é", count: 1000))
        #expect(sent.bytes.count == ReadinessReport.byteCountMax)
        #expect(
            ReadinessReport(bytes: sent.bytes[...])
                == .failed(exitCode: 1, line: String(repeating: "é", count: 255))
        )
    }

    @Test(arguments: [[], [0], [2], [1, 1], [3, 0]] as [[UInt8]])
    func `other bytes are no report`(bytes: [UInt8]) {
        #expect(ReadinessReport(bytes: bytes[...]) == nil)
    }
}
