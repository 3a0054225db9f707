// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusProtocol
import ApusTestSupport
import Testing

/// Every way into a state, so that every call is tried in each.
enum ConnectionStage: CaseIterable, Sendable {
    case open, closing
    case closedByPeer, closedByPeerAfterUs, closedByViolation, closedByUs, lost, lostInClosing

    static let closed = allCases.filter { $0 != .open && $0 != .closing }

    /// A connection that got there at the start of time.
    func endpoint(_ role: Role) -> Endpoint {
        let peer = WireBytes(to: role)
        let endpoint = Endpoint(role, ConnectionConfiguration())
        switch self {
        case .open: break
        case .closing: _ = endpoint.machine.close(at: .zero)
        case .closedByPeer: endpoint.feed(peer.close(4000, [0x70]))
        case .closedByPeerAfterUs:
            _ = endpoint.machine.close(at: .zero)
            endpoint.feed(peer.close(4000, [0x70]))
        case .closedByViolation: endpoint.feed(peer.continuation([]))
        case .closedByUs: _ = endpoint.machine.fail(with: Self.ours, at: .zero)
        case .lost: _ = endpoint.machine.transportClosed(at: .zero)
        case .lostInClosing:
            _ = endpoint.machine.close(at: .zero)
            _ = endpoint.machine.transportClosed(at: .zero)
        }
        return endpoint
    }

    var outcome: ConnectionOutcome? {
        switch self {
        case .open, .closing: nil
        case .closedByPeer, .closedByPeerAfterUs:
            ConnectionOutcome(code: CloseCode(rawValue: 4000), reason: "p", isClean: true)
        case .closedByViolation:
            ConnectionOutcome(code: .protocolError, reason: "continuation without a message")
        case .closedByUs: Self.ours
        case .lost, .lostInClosing: Self.lostOutcome
        }
    }

    static let ours = ConnectionOutcome(code: .internalError, reason: "ours")
    static let lostOutcome = ConnectionOutcome(code: .abnormalClosure, reason: "connection lost")
}

@Suite(.rfc6455("7.1")) struct `The end of a connection` {
    @Test(arguments: ConnectionStage.allCases, bothRoles)
    func `is told by its state`(stage: ConnectionStage, role: Role) {
        let endpoint = stage.endpoint(role)
        #expect(endpoint.isOpen == (stage == .open))
        #expect(endpoint.isClosed == ConnectionStage.closed.contains(stage))
        #expect(endpoint.machine.closeOutcome == stage.outcome)
    }

    @Test(arguments: ConnectionStage.allCases, bothRoles)
    func `is asked for once`(stage: ConnectionStage, role: Role) {
        let endpoint = stage.endpoint(role)
        let wasClosed = endpoint.isClosed
        let isDue = endpoint.machine.close(at: .seconds(1))
        let isDueAgain = endpoint.machine.close(at: .seconds(2))
        #expect(isDue == (stage == .open))
        #expect(!isDueAgain)
        #expect(!endpoint.isOpen)
        #expect(endpoint.isClosed == wasClosed)
        #expect(endpoint.machine.closeOutcome == stage.outcome)
        #expect(endpoint.machine.deadline == .seconds(stage == .open ? 6 : 5))
    }

    @Test(arguments: ConnectionStage.allCases, bothRoles)
    func `is final where we fail the connection`(stage: ConnectionStage, role: Role) {
        let endpoint = stage.endpoint(role)
        let isDue = endpoint.machine.fail(with: ConnectionStage.ours, at: .seconds(1))
        let other = ConnectionOutcome(code: .goingAway, reason: "another")
        let isDueAgain = endpoint.machine.fail(with: other, at: .seconds(2))
        #expect(isDue == (stage == .open))
        #expect(!isDueAgain)
        #expect(endpoint.isClosed)
        #expect(endpoint.machine.closeOutcome == stage.outcome ?? ConnectionStage.ours)
        #expect(endpoint.machine.deadline == .seconds(stage == .open ? 6 : 5))
    }

    @Test(.rfc6455("7.1.5"), arguments: ConnectionStage.allCases, bothRoles)
    func `is 1006 where the transport goes first`(stage: ConnectionStage, role: Role) {
        let endpoint = stage.endpoint(role)
        let outcome = endpoint.machine.transportClosed(at: .seconds(1))
        let second = endpoint.machine.transportClosed(at: .seconds(2))
        let isNews = stage == .open || stage == .closing
        #expect(outcome == (isNews ? ConnectionStage.lostOutcome : nil))
        #expect(second == nil)
        #expect(endpoint.isClosed)
        #expect(endpoint.machine.closeOutcome == stage.outcome ?? ConnectionStage.lostOutcome)
        #expect(endpoint.machine.deadline == .seconds(stage == .open ? 6 : 5))
    }

    @Test(arguments: ConnectionStage.closed, bothRoles)
    func `lets nothing more in`(stage: ConnectionStage, role: Role) {
        let peer = WireBytes(to: role)
        let endpoint = stage.endpoint(role)
        let events = endpoint.events
        for wire in [peer.text("a"), peer.ping([1]), peer.close(1000), [0xFF], []] {
            endpoint.feed(wire, at: .seconds(1))
        }
        #expect(endpoint.events == events)
        #expect(endpoint.machine.closeOutcome == stage.outcome)
    }

    @Test(arguments: bothRoles, 0...16)
    func `comes in the middle of a frame`(role: Role, cut: Int) {
        let peer = WireBytes(to: role)
        let wire = peer.text("a", isFinal: false) + peer.ping([1, 2]) + peer.continuation([0x62])
        let endpoint = Endpoint(role)
        endpoint.feed(wire.prefix(cut))
        let events = endpoint.events
        let isDue = endpoint.machine.fail(with: ConnectionStage.ours, at: .zero)
        #expect(isDue)
        endpoint.feed(wire.dropFirst(cut) + peer.close(1000))
        #expect(endpoint.events == events)
        #expect(endpoint.machine.closeOutcome == ConnectionStage.ours)
    }

    // MARK: Time

    @Test(arguments: ConnectionStage.allCases.filter { $0 != .open }, bothRoles)
    func `waits for the close timeout and no longer`(stage: ConnectionStage, role: Role) {
        let endpoint = stage.endpoint(role)
        let peer = WireBytes(to: role)
        #expect(endpoint.machine.deadline == .seconds(5))
        for millisecond: UInt64 in [0, 1, 2500, 4999] {
            let now = Instant.milliseconds(millisecond)
            endpoint.feed(peer.text("still talking") + peer.ping(), at: now)
            endpoint.machine.peerMadeProgress(at: now)
            #expect(endpoint.machine.timerFired(at: now) == .wait(until: .seconds(5)))
        }
        for second: UInt64 in [5, 5, 6, 1000] {
            #expect(endpoint.machine.timerFired(at: .seconds(second)) == .closeTimedOut)
        }
        #expect(endpoint.machine.closeOutcome == stage.outcome)
    }

    @Test(arguments: bothRoles)
    func `is not put off by the peer's Close or its violation`(role: Role) {
        let peer = WireBytes(to: role)
        for wire in [peer.close(1000), peer.header(firstByte: 0xF0, length: [0])] {
            let endpoint = Endpoint(role)
            _ = endpoint.machine.close(at: .seconds(1))
            endpoint.feed(wire, at: .seconds(4))
            #expect(endpoint.isClosed)
            #expect(endpoint.machine.deadline == .seconds(6))
        }
    }
}
