// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusProtocol
import ApusTestSupport
import Testing

/// Streams of a seed; whatever holds for any input, `Endpoint` checks on each call.
@Suite struct `A connection under random bytes` {
    private static let configuration = ConnectionConfiguration.limits(
        frame: 130,
        message: 200,
        fragments: 4
    )

    @Test(arguments: 0..<20 as Range<UInt64>, bothRoles)
    func `comes to the same end however its bytes are cut`(seed: UInt64, role: Role) {
        var stream = RandomStream(seed: seed, role: role)
        var endedCount = 0
        var deliveredCount = 0
        for index in 0..<150 {
            let wire = stream.next()
            let whole = endpoint(fed: wire, cutBefore: [], role)
            let cuts = [
                Array(wire.indices),
                [Int.random(in: 0...wire.count, using: &stream.random)],
                wire.indices.filter { _ in Int.random(in: 0..<5, using: &stream.random) == 0 },
            ]
            for (cut, targetRoom) in zip(cuts, [5, 4096, 0]) {
                let pieces = endpoint(fed: wire, cutBefore: cut, role, targetRoom: targetRoom)
                let description = Comment("seed \(seed), stream \(index): \(wire), cut at \(cut)")
                #expect(pieces.events == whole.events, description)
                #expect(pieces.machine.closeOutcome == whole.machine.closeOutcome, description)
                #expect(pieces.isOpen == whole.isOpen, description)
            }
            if whole.isClosed { endedCount += 1 }
            if !whole.parts.isEmpty { deliveredCount += 1 }
        }
        // The streams are neither all bad nor all good.
        #expect((30...140).contains(endedCount))
        #expect((30...140).contains(deliveredCount))
    }

    /// What is decoded with the message whose handler closes counts for no more than what comes later.
    @Test(.rfc6455("7.1.2"), arguments: 0..<10 as Range<UInt64>, bothRoles)
    func `ends in the same way however much came before the application closed`(
        seed: UInt64,
        role: Role
    ) {
        var stream = RandomStream(seed: seed &+ 2000, role: role)
        var overtakenCount = 0
        for index in 0..<100 {
            let wire = stream.next() + stream.next()
            let closesAfter = Int.random(in: 1...3, using: &stream.random)
            let endpoints = [[wire.indices], wire.indices.map { $0..<($0 + 1) }].map { pieces in
                let endpoint = Endpoint(role, Self.configuration, closingAfter: closesAfter)
                for piece in pieces { endpoint.feed(wire[piece]) }
                return endpoint
            }
            let description = Comment("seed \(seed), stream \(index): \(wire)")
            #expect(endpoints[0].events == endpoints[1].events, description)
            let outcomes = endpoints.map { $0.machine.closeOutcome }
            #expect(outcomes[0] == outcomes[1], description)
            let open = Endpoint(role, Self.configuration)
            open.feed(wire)
            if open.events != endpoints[0].events { overtakenCount += 1 }
        }
        #expect(overtakenCount > 10)
    }

    @Test(arguments: 0..<10 as Range<UInt64>, bothRoles)
    func `takes calls in any order`(seed: UInt64, role: Role) {
        var stream = RandomStream(seed: seed &+ 1000, role: role)
        for index in 0..<100 {
            let endpoint = Endpoint(role, ConnectionConfiguration())
            var told: ConnectionOutcome?
            var closeCount = 0
            var deadline: Instant?
            for step: UInt64 in 0..<30 {
                let now = Instant.seconds(step)
                let eventCount = endpoint.finished.count
                switch Int.random(in: 0..<20, using: &stream.random) {
                case 0: if endpoint.machine.close(at: now) { closeCount += 1 }
                case 1:
                    let ours = ConnectionOutcome(code: .internalError, reason: "\(step)")
                    if endpoint.machine.fail(with: ours, at: now) { closeCount += 1 }
                case 2: _ = endpoint.machine.transportClosed(at: now)
                case 3...6: _ = endpoint.machine.timerFired(at: now)
                case 7: endpoint.machine.peerMadeProgress(at: now)
                default: endpoint.feed(stream.next(), at: now)
                }
                for event in endpoint.finished.dropFirst(eventCount) {
                    switch event {
                    case .peerClosed(_, _, reply: true), .fail(_, sendClose: true): closeCount += 1
                    default: break
                    }
                }
                let description = Comment("seed \(seed), run \(index), step \(step)")
                if let told { #expect(endpoint.machine.closeOutcome == told, description) }
                if let deadline { #expect(endpoint.machine.deadline == deadline, description) }
                told = endpoint.machine.closeOutcome
                deadline = endpoint.isOpen ? nil : endpoint.machine.deadline
                #expect(closeCount <= 1, description)
                #expect(endpoint.isClosed == (told != nil), description)
                #expect(!endpoint.isOpen || closeCount == 0, description)
            }
        }
    }

    private func endpoint(
        fed wire: [UInt8],
        cutBefore cuts: [Int],
        _ role: Role,
        targetRoom: Int = 0
    ) -> Endpoint {
        let endpoint = Endpoint(
            role,
            Self.configuration,
            targetRoom: targetRoom,
            batchCapacity: 3
        )
        var start = 0
        for end in cuts + [wire.count] {
            endpoint.feed(wire[start..<end])
            start = end
        }
        return endpoint
    }
}
