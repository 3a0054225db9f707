// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Histogram
import Testing

@testable import ApusLoad

@Suite struct `An HdrHistogram log` {
    @Test func `has a line for each kind that there is`() {
        let closed = HdrLog(.ofTwoProcesses(), .echo()).text
        #expect(closed.contains("\nTag=handshake,0.000,1.000,0.000,HISTFAAA"))
        #expect(closed.contains("\nTag=latency,0.000,1.000,1.000,HISTFAAA"))
        #expect(!closed.contains("Tag=intended"))
        #expect(HdrLog(.ofTwoProcesses(), .echo(rate: 1)).text.contains("\nTag=intended,"))
    }

    @Test func `counts in order, and zeros by their number`() {
        var latencies = LoadReport.noLatencies()
        latencies.record(0)
        latencies.record(3, count: 64)
        // Head: cookie, length, offset, digits, lowest, highest, ratio.
        let bytes = HdrLog.encoded(latencies)
        #expect(bytes[..<4] == [0x1C, 0x84, 0x93, 0x13])
        #expect(bytes[4..<8] == [0, 0, 0, 4])
        #expect(bytes[8..<16] == [0, 0, 0, 0, 0, 0, 0, 3])
        // 1, then two zeros (-2), then 64, in zigzag.
        #expect(bytes[40...] == [2, 3, 0x80, 1])
    }

    @Test func `is a zlib stream of stored blocks`() {
        // RFC 1950: Adler-32 of "Wikipedia" is in every textbook.
        #expect(HdrLog.adler32(Array("Wikipedia".utf8)) == 0x11E6_0398)
        let small = HdrLog.compressed([1, 2])
        #expect(
            small == [
                0x1C, 0x84, 0x93, 0x14, 0, 0, 0, 13,
                0x78, 1, 1, 2, 0, 0xFD, 0xFF, 1, 2, 0, 6, 0, 4,
            ]
        )
        // Two blocks: 5 bytes more for the second.
        let large = HdrLog.compressed([UInt8](repeating: 0, count: 65536))
        #expect(large.count == 8 + 2 + 5 + 65535 + 5 + 1 + 4)
        #expect(large[10] == 0)
        #expect(large[10 + 5 + 65535] == 1)
    }
}
