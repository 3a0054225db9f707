// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// What the server used in the measured time.
struct ServerUsage: Equatable {
    struct ProcessorTime: Equatable {
        /// On processors, of the whole tree.
        var nanoseconds: UInt64
        /// In which they were used: between the two looks, as far as that was measured.
        var elapsedNanoseconds: UInt64
        /// The part of the time that the busiest thread was on a processor.
        var busiestThread: Double
        var processorCount: Int

        /// Whether it could not have done more: one of its threads, or all its processors, had no
        /// pause.
        var isSaturated: Bool {
            let busy = Double(nanoseconds) / Double(max(1, elapsedNanoseconds))
            return busiestThread > 0.9 || busy > 0.9 * Double(max(1, processorCount))
        }
    }

    /// Nil where the run ended before its measured time began, or was not looked at in it.
    var processorTime: ProcessorTime?
    var memoryBefore: ProcessTree.Memory
    /// At the end; unless that came early, with all connections still open.
    var memory: ProcessTree.Memory
}

/// Looks at the server's processes when the measured time begins and when it ends.
struct ServerSampler {
    private let tree: ProcessTree
    private var memoryBefore = ProcessTree.Memory()
    private var begin: (time: UInt64, cpu: [String: UInt64])?
    private var measuredTo: UInt64 = .max
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
        measuredTo = measured.upperBound
        if begin == nil, now < measuredTo {
            begin = (now, tree.cpuOfThreads)
        } else {
            end(at: now)
        }
    }

    /// The measured time ends here, if it has not ended before.
    mutating func end(at now: UInt64) {
        guard usage == nil else { return }
        usage = ServerUsage(
            processorTime: processorTime(until: now),
            memoryBefore: memoryBefore,
            memory: tree.memory
        )
    }

    private func processorTime(until now: UInt64) -> ServerUsage.ProcessorTime? {
        guard let begin else { return nil }
        // Threads that came in between have used nothing before; those that went are not known.
        let used = tree.cpuOfThreads.map { $1 - min($1, begin.cpu[$0] ?? 0) }
        // Behind the measured time nothing is sent any more. A look that comes later finds no more
        // than was used until then, and must not spread it over the pause.
        let elapsed = max(1, min(now, measuredTo) - begin.time)
        return ServerUsage.ProcessorTime(
            nanoseconds: used.reduce(0, +),
            elapsedNanoseconds: elapsed,
            busiestThread: Double(used.max() ?? 0) / Double(elapsed),
            processorCount: tree.processorCount
        )
    }
}
