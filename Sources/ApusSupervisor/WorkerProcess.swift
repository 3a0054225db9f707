// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import CApusSystem

/// A running worker, as the supervisor sees it.
struct WorkerProcess {
    let pid: Int32

    /// Stands for this very process, also when its number is somebody else's.
    let descriptor: Int32

    let startedAt: UInt64

    /// The ready pipe; nil once it said all it can say.
    private(set) var reader: Int32?

    var readyAt: UInt64?
    var failureCode: Int32?

    /// Whether it was killed because it took too long to get ready.
    var isOverdue = false

    /// Whether the operator was told why it is about to end.
    var isExplained = false

    init(pid: Int32, descriptor: Int32, reader: Int32, startedAt: UInt64) {
        self.pid = pid
        self.descriptor = descriptor
        self.reader = reader
        self.startedAt = startedAt
    }

    /// The worker's report, if it has come.
    mutating func readReport() -> ReadinessReport? {
        guard let reader else { return nil }
        let reading = ReadinessPipe.read(reader)
        guard reading != .nothing else { return nil }
        apus_descriptor_close(reader)
        self.reader = nil
        return if case .report(let report) = reading { report } else { nil }
    }

    func send(_ signal: Int32) {
        // The one error is that it has ended; its descriptor says so next.
        _ = apus_process_signal(descriptor, signal)
    }

    /// How it ended, or nil while it runs; reaps it.
    func reap() -> WorkerEnd? {
        var end = apus_process_end()
        let result = unsafe apus_process_reap(descriptor, &end)
        guard result != 0 else { return nil }
        // Its status is lost where the application waited for it: an ordinary failure then.
        guard result > 0 else { return .exited(code: 1) }
        return end.is_signal ? .signaled(signal: end.value) : .exited(code: end.value)
    }

    func close() {
        apus_descriptor_close(descriptor)
        if let reader { apus_descriptor_close(reader) }
    }
}
