// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusProtocol
import ApusTestSupport
import Testing

@Suite(.rfc6455("5.5.2")) struct `Keepalive` {
    private static let configuration = ConnectionConfiguration(
        keepaliveInterval: .seconds(20),
        keepaliveGracePeriod: .seconds(10),
        closeTimeout: .seconds(5)
    )

    private func endpoint(_ role: Role = .server) -> Endpoint {
        Endpoint(role, Self.configuration, openedAt: .seconds(100))
    }

    @Test(arguments: bothRoles)
    func `pings after the interval of silence`(role: Role) {
        let endpoint = endpoint(role)
        #expect(endpoint.machine.deadline == .seconds(120))
        #expect(endpoint.machine.timerFired(at: .seconds(100)) == .wait(until: .seconds(120)))
        #expect(
            endpoint.machine.timerFired(at: .milliseconds(119_999)) == .wait(until: .seconds(120))
        )
        #expect(endpoint.machine.timerFired(at: .seconds(120)) == .sendPing(until: .seconds(130)))
        #expect(endpoint.machine.deadline == .seconds(130))
    }

    @Test(arguments: bothRoles)
    func `pings once and drops the peer after the grace period`(role: Role) {
        let endpoint = endpoint(role)
        #expect(endpoint.machine.timerFired(at: .seconds(121)) == .sendPing(until: .seconds(131)))
        #expect(
            endpoint.machine.timerFired(at: .milliseconds(130_999)) == .wait(until: .seconds(131))
        )
        #expect(endpoint.machine.timerFired(at: .seconds(131)) == .keepaliveTimedOut)
        #expect(endpoint.machine.timerFired(at: .seconds(500)) == .keepaliveTimedOut)
        let lost = ConnectionOutcome(code: .abnormalClosure, reason: "connection lost")
        #expect(endpoint.machine.transportClosed(at: .seconds(131)) == lost)
    }

    @Test(arguments: [0, 1, 5, 6, 7])
    func `is postponed by whatever comes`(byteCount: Int) {
        let endpoint = endpoint()
        endpoint.feed(WireBytes(to: .server).text("a").prefix(byteCount), at: .seconds(115))
        #expect(endpoint.machine.deadline == .seconds(135))
        #expect(endpoint.machine.timerFired(at: .seconds(120)) == .wait(until: .seconds(135)))
        #expect(endpoint.machine.timerFired(at: .seconds(135)) == .sendPing(until: .seconds(145)))
    }

    @Test func `is postponed by a peer that takes bytes`() {
        let endpoint = endpoint()
        endpoint.machine.peerMadeProgress(at: .seconds(119))
        #expect(endpoint.machine.timerFired(at: .seconds(120)) == .wait(until: .seconds(139)))
        #expect(endpoint.machine.timerFired(at: .seconds(139)) == .sendPing(until: .seconds(149)))
        endpoint.machine.peerMadeProgress(at: .seconds(148))
        #expect(endpoint.machine.timerFired(at: .seconds(149)) == .wait(until: .seconds(168)))
    }

    @Test(arguments: bothRoles)
    func `takes a pong as an answer`(role: Role) {
        let endpoint = endpoint(role)
        #expect(endpoint.machine.timerFired(at: .seconds(120)) == .sendPing(until: .seconds(130)))
        endpoint.feed(WireBytes(to: role).pong(), at: .seconds(121))
        #expect(endpoint.machine.deadline == .seconds(130), "bytes rearm no timer")
        #expect(endpoint.machine.timerFired(at: .seconds(130)) == .wait(until: .seconds(141)))
        #expect(endpoint.machine.timerFired(at: .seconds(141)) == .sendPing(until: .seconds(151)))
        #expect(endpoint.machine.timerFired(at: .seconds(151)) == .keepaliveTimedOut)
    }

    @Test func `takes any bytes as an answer`() {
        let endpoint = endpoint()
        #expect(endpoint.machine.timerFired(at: .seconds(120)) == .sendPing(until: .seconds(130)))
        endpoint.feed([0x81], at: .milliseconds(129_999))
        #expect(
            endpoint.machine.timerFired(at: .seconds(130)) == .wait(until: .milliseconds(149_999))
        )
    }

    @Test func `pings at once where the timer is late`() {
        let endpoint = endpoint()
        #expect(endpoint.machine.timerFired(at: .seconds(120)) == .sendPing(until: .seconds(130)))
        endpoint.feed(WireBytes(to: .server).pong(), at: .seconds(121))
        #expect(endpoint.machine.timerFired(at: .seconds(200)) == .sendPing(until: .seconds(210)))
    }

    @Test func `takes no old sign of life as an answer`() {
        let endpoint = endpoint()
        endpoint.feed(WireBytes(to: .server).ping(), at: .seconds(110))
        #expect(endpoint.machine.timerFired(at: .seconds(130)) == .sendPing(until: .seconds(140)))
        #expect(endpoint.machine.timerFired(at: .seconds(140)) == .keepaliveTimedOut)
    }

    @Test(arguments: bothRoles)
    func `is off where there is no interval`(role: Role) {
        let endpoint = Endpoint(role, .limits(), openedAt: .seconds(100))
        #expect(endpoint.machine.deadline == nil)
        #expect(endpoint.machine.timerFired(at: .seconds(1_000_000)) == .wait(until: nil))
        endpoint.feed(WireBytes(to: role).text("a"), at: .seconds(1_000_001))
        #expect(endpoint.machine.deadline == nil)
        _ = endpoint.machine.close(at: .seconds(1_000_002))
        #expect(endpoint.machine.deadline == .seconds(1_000_007))
    }

    @Test func `ends with our Close`() {
        let endpoint = endpoint()
        #expect(endpoint.machine.timerFired(at: .seconds(120)) == .sendPing(until: .seconds(130)))
        _ = endpoint.machine.close(at: .seconds(129))
        #expect(endpoint.machine.timerFired(at: .seconds(130)) == .wait(until: .seconds(134)))
        #expect(endpoint.machine.timerFired(at: .seconds(134)) == .closeTimedOut)
    }

    @Test func `is never due at the end of time`() {
        let configuration = ConnectionConfiguration(
            keepaliveInterval: Interval(nanoseconds: .max),
            closeTimeout: Interval(nanoseconds: .max)
        )
        let endpoint = Endpoint(.server, configuration, openedAt: .seconds(1))
        let end = Instant(nanoseconds: .max)
        #expect(endpoint.machine.timerFired(at: .seconds(2)) == .wait(until: end))
        _ = endpoint.machine.close(at: .seconds(3))
        #expect(endpoint.machine.timerFired(at: .seconds(4)) == .wait(until: end))
    }
}
