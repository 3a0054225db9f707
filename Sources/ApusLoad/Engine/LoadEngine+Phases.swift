// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusRing
import CApusSystem

/// What comes after what.
extension LoadEngine {
    /// How often it is looked at whether the others or all replies are there.
    private static var awaitingInterval: UInt64 { 5_000_000 }

    /// How long replies are awaited when the run is to end early.
    private static var interruptedNanosecondsMax: UInt64 { 1_000_000_000 }

    mutating func moveOn() {
        let isTick = now >= nextProgress
        switch phase {
        case .opening:
            if unopened.isEmpty, openingCount == 0 { awaitOthers() }
        case .waiting:
            if isTick, let beginning = observer.startTime() { begin(at: beginning) }
        case .running:
            if now >= beginning { run(isTick) }
        case .settling:
            if isTick, mayClose, isSettled || now >= phaseEnd { beginClosing() }
        case .closing:
            if liveCount == 0 || now >= phaseEnd { phase = .over }
        case .over:
            return
        }
        if isTick { tick() }
    }

    private mutating func tick() {
        let isAwaiting = phase == .waiting || phase == .settling
        nextProgress = now + (isAwaiting ? Self.awaitingInterval : Self.progressInterval)
        if now >= nextSearch {
            // It looks at every connection, of which there may be very many.
            nextSearch = now + max(Self.progressInterval, plan.timeoutNanoseconds / 20)
            giveUpLate()
        }
        if !isAwaiting {
            observer.progressed(openConnections: openCount, messages: report.messages)
        }
        guard observer.isToEnd() else { return }
        switch phase {
        case .opening, .waiting: beginClosing()
        case .running: endMeasuring()
        case .settling: phaseEnd = min(phaseEnd, now + Self.interruptedNanosecondsMax)
        case .closing, .over: break
        }
    }

    // MARK: The beginning

    mutating func awaitOthers() {
        phase = .waiting
        nextProgress = now
        observer.allConnected(openConnections: openCount)
    }

    /// It is known when all processes begin.
    private mutating func begin(at time: UInt64) {
        beginning = time
        measuredFrom = beginning + plan.warmUpNanoseconds
        measuredTo = measuredFrom + plan.durationNanoseconds
        phase = .running
        prepareTraffic()
    }

    private mutating func prepareTraffic() {
        if plan.mode == .idle {
            // One ping for each, over most of the time.
            let seconds = Double(plan.durationNanoseconds) * 0.9e-9
            let rate = plan.rate ?? max(1, Double(openCount) / max(0.001, seconds))
            pacer = Pacer(start: measuredFrom, rate: rate, offset: plan.rateOffset)
        } else if let rate = plan.rate, plan.mode != .churn,
            plan.mode != .fanout || plan.isPublishing
        {
            pacer = Pacer(
                start: beginning,
                rate: rate,
                arrivals: plan.arrivals,
                offset: plan.rateOffset,
                seed: plan.seed
            )
        } else if plan.isPublishing {
            audience = Audience(
                inflight: plan.inflight,
                subscriberCount: openCount - (table[0].state.stage == .open ? 1 : 0)
            )
        }
    }

    private mutating func run(_ isTick: Bool) {
        if !hasBegun {
            hasBegun = true
            for slot in 0..<table.count where isClosedModel { table.markDirty(table[slot]) }
        }
        if processorTimeBefore == nil, now >= measuredFrom {
            processorTimeBefore = LoadRecorder.processorTime()
        }
        let isDead = openCount == 0 && plan.mode != .churn
        if now >= measuredTo || isDead { endMeasuring() }
    }

    // MARK: The end

    private mutating func endMeasuring() {
        measuredTo = min(measuredTo, now)
        if let processorTimeBefore {
            report.cpuNanoseconds = LoadRecorder.processorTime() - processorTimeBefore
            report.elapsedNanoseconds = measuredTo - measuredFrom
        }
        if isOpenModel, plan.mode != .idle, let pacer {
            // What the turns did not come to.
            report.missedDeadlines += pacer.dueCount(at: measuredTo)
        }
        phase = .settling
        phaseEnd = now + plan.timeoutNanoseconds
        nextProgress = now
        unopened = []
        for slot in 0..<table.count where plan.mode == .upload {
            let connection = table[slot]
            guard connection.state.stage == .open else { continue }
            if isClosedModel { connection.state.due = connection.state.cursor.begunCount }
            table.markDirty(connection)
        }
        if plan.mode == .fanout { publishLast() }
    }

    /// Nobody waits for a process that has no connections.
    private var mayClose: Bool { openCount == 0 || observer.mayClose() }

    private var isSettled: Bool {
        if plan.mode == .churn { return liveCount == 0 }
        for slot in 0..<table.count {
            let connection = table[slot]
            if connection.state.stage == .open, !isSettled(connection) { return false }
        }
        return true
    }

    private func isSettled(_ connection: ConnectionReference) -> Bool {
        switch plan.mode {
        case .echo, .idle, .pingpong, .churn, .upload:
            connection.state.replies.window.next >= connection.state.due
                && connection.state.cursor.sequence >= connection.state.due
                && !connection.state.replies.window.hasGaps
        case .fanout:
            connection.state.isProven || isPublisher(connection)
                || plan.isPublishing && table[0].state.stage != .open
        }
    }

    func isPublisher(_ connection: ConnectionReference) -> Bool {
        plan.isPublishing && connection.state.slot == 0
    }

    private mutating func beginClosing() {
        phase = .closing
        phaseEnd = now + min(plan.timeoutNanoseconds, Self.closingNanosecondsMax)
        unopened = []
        for slot in 0..<table.count {
            let connection = table[slot]
            switch connection.state.stage {
            case .open:
                account(for: connection)
                beginClose(connection)
            case .connecting, .securing, .upgrading:
                failOpening(connection, "timeout")
            case .free, .closing, .lingering, .dropping:
                break
            }
        }
    }

    mutating func finishedReport() -> LoadReport {
        report.latency = recorder.latency
        report.latencyFromIntended = recorder.latencyFromIntended
        return report
    }
}
