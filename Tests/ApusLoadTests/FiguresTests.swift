// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import ApusLoad

@Suite struct `Figures for people` {
    @Test func `have commas at thousands`() {
        #expect(Figures.count(0) == "0")
        #expect(Figures.count(999) == "999")
        #expect(Figures.count(1000) == "1,000")
        #expect(Figures.count(12_345_678) == "12,345,678")
    }

    @Test func `have the digits that were asked for, rounded`() {
        #expect(Figures.fixed(1.005, 1) == "1.0")
        #expect(Figures.fixed(1.96, 1) == "2.0")
        #expect(Figures.fixed(-0.04, 1) == "0.0")
        #expect(Figures.fixed(-1234.5678, 2) == "-1,234.57")
        #expect(Figures.fixed(.infinity, 2) == "inf")
    }

    @Test func `have the unit that suits them`() {
        #expect(Figures.time(microseconds: 0.5) == "0.500 µs")
        #expect(Figures.time(microseconds: 12.34) == "12.3 µs")
        #expect(Figures.time(microseconds: 1500) == "1.50 ms")
        #expect(Figures.time(microseconds: 2_000_000) == "2 s")
        #expect(Figures.bytes(1023) == "1,023 B")
        #expect(Figures.bytes(1536) == "1.50 KiB")
        #expect(Figures.percent(0.015) == "1.5 %")
        #expect(Figures.percent(0.985) == "99 %" || Figures.percent(0.985) == "98 %")
    }
}
