// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import ApusLoad

@Suite struct `The audience of a publisher` {
    @Test func `lets as many be under way as the slowest subscriber allows`() {
        var audience = Audience(inflight: 2, subscriberCount: 3)
        #expect(audience.due == 2)
        audience.published(0)
        audience.published(1)
        audience.reached(0..<2)
        audience.reached(0..<2)
        #expect(audience.due == 2)
        audience.reached(0..<1)
        #expect(audience.due == 3)
        audience.reached(1..<2)
        #expect(audience.due == 4)
    }

    @Test func `does not wait for those that are gone`() {
        var audience = Audience(inflight: 1, subscriberCount: 2)
        audience.published(0)
        audience.reached(0..<1)
        #expect(audience.due == 1)
        audience.lost(next: 0)
        #expect(audience.due == 2)
        audience.published(1)
        audience.reached(1..<2)
        #expect(audience.due == 3)
    }

    @Test func `does not wait for ever for one that somebody lacks`() {
        var audience = Audience(inflight: 2, subscriberCount: 2)
        audience.published(0)
        audience.published(1)
        audience.reached(0..<2)
        audience.passOver(upTo: 1)
        #expect(audience.due == 3)
        audience.published(2)
        // The other has got the ones behind it, and perhaps the first one as well.
        audience.reached(0..<2)
        #expect(audience.due == 4)
        audience.passOver(upTo: 100)
        #expect(audience.due == 5)
    }

    @Test func `has nothing due once all are gone`() {
        var audience = Audience(inflight: 1, subscriberCount: 1)
        audience.published(0)
        audience.lost(next: 0)
        #expect(audience.due == 1)
    }

    @Test func `is as it was when a message goes out once more`() {
        var audience = Audience(inflight: 1, subscriberCount: 2)
        audience.published(0)
        audience.published(0)
        audience.reached(0..<1)
        audience.reached(0..<1)
        #expect(audience.due == 2)
    }
}
