// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// Whether the load was the limit rather than the server, so that its figures say nothing of it.
enum ClientBound {
    /// A process that is busier than this cannot do more.
    static let busyMax = 0.9
    /// The part of the messages that may be sent late by our own fault.
    static let missedMax = 0.01
    /// The part of the time that a process may wait for a processor.
    static let runDelayMax = 0.1

    /// Why it was, and what helps; nil if it was not.
    ///
    /// - Parameters:
    ///   - runDelay: nil where it is not known.
    ///   - isServerSaturated: nil where nothing is known of the server.
    static func reason(
        plan: LoadPlan,
        report: LoadReport,
        busiest: Double,
        runDelay: Double?,
        isServerSaturated: Bool?
    ) -> String? {
        // To hold connections is no work whose speed is measured.
        guard plan.mode != .idle, report.elapsedNanoseconds > 0 else { return nil }
        // Then it did little, and that late, however much the server could have done.
        if let runDelay, runDelay > runDelayMax {
            return "the load waited for a processor \(Figures.percent(runDelay)) of the time;"
                + " give it processors that nothing else uses"
        }
        let cure = "use more --processes, and give them other processors than the server's"
        let isBusy = busiest > busyMax
        if let rate = plan.rate {
            let due = rate * Double(report.elapsedNanoseconds) / 1e9
            let missed = min(1, Double(report.missedDeadlines) / max(due, 1))
            if missed > missedMax {
                return "\(Figures.percent(missed)) of the messages were sent more than 1 ms late,"
                    + " since the load did not get to it in time; \(cure)"
            }
            let deliveries = plan.mode == .fanout ? due * Double(plan.connections - 1) : due
            if isBusy, Double(report.messages) < 0.99 * deliveries {
                return "the rate was not reached while a process of the load was busy"
                    + " \(Figures.percent(busiest)) of the time; \(cure)"
            }
            return nil
        }
        let answers = report.messages + report.lost + report.corrupted + report.duplicated
        if answers == 0, report.errors.isEmpty {
            return "nothing was sent, since the load did not get to it in time; \(cure)"
        }
        guard isBusy, isServerSaturated != true else { return nil }
        let server =
            isServerSaturated == nil
            ? " (say --server-pid to see whether the server was as well)"
            : ", and the server was not"
        return "a process of the load was busy \(Figures.percent(busiest)) of the time"
            + "\(server); \(cure)"
    }
}
