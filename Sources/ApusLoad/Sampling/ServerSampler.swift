// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import CApusSystem

/// What the server used in the measured time.
struct ServerUsage: Equatable {
    /// Nanoseconds on processors, of the whole tree.
    var cpuNanoseconds: UInt64
    /// Between the two looks.
    var elapsedNanoseconds: UInt64
    /// The part of the time that the busiest thread was on a processor.
    var busiestThread: Double
    var processorCount: Int
    var memoryBefore: ProcessTree.Memory
    /// At the end, with all connections still open.
    var memory: ProcessTree.Memory

    /// Whether it could not have done more: one of its threads, or all its processors, had no pause.
    var isSaturated: Bool {
        let busy = Double(cpuNanoseconds) / Double(max(1, elapsedNanoseconds))
        return busiestThread > 0.9 || busy > 0.9 * Double(max(1, processorCount))
    }
}

/// Looks at the server's processes when the measured time begins and when it ends.
struct ServerSampler {
    private let tree: ProcessTree
    private var memoryBefore = ProcessTree.Memory()
    private var begin: (time: UInt64, cpu: [String: UInt64])?
    private(set) var usage: ServerUsage?

    init(_ tree: ProcessTree) {
        self.tree = tree
    }

    /// No connection is there yet.
    mutating func connecting() {
        memoryBefore = tree.memory
    }

    /// When it has to look next.
    func due(in measured: Range<UInt64>?) -> UInt64? {
        guard let measured, usage == nil else { return nil }
        return begin == nil ? measured.lowerBound : measured.upperBound
    }

    mutating func look(at now: UInt64, in measured: Range<UInt64>) {
        guard let due = due(in: measured), now >= due else { return }
        if begin == nil {
            begin = (now, tree.cpuOfThreads)
        } else {
            end(at: now)
        }
    }

    /// The measured time ends here.
    mutating func interrupted() {
        if usage == nil { end(at: apus_clock_monotonic()) }
    }

    private mutating func end(at now: UInt64) {
        guard let begin else { return }
        // Threads that came in between have used nothing before; those that went are not known.
        let used = tree.cpuOfThreads.map { $1 - min($1, begin.cpu[$0] ?? 0) }
        let elapsed = max(1, now - begin.time)
        usage = ServerUsage(
            cpuNanoseconds: used.reduce(0, +),
            elapsedNanoseconds: elapsed,
            busiestThread: Double(used.max() ?? 0) / Double(elapsed),
            processorCount: tree.processorCount,
            memoryBefore: memoryBefore,
            memory: tree.memory
        )
    }
}
