// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCommandLine

/// Looks, when the measured time begins and when it ends, at how long the processes of the load
/// had to wait for a processor while they could have run.
struct RunDelaySampler {
    private let processes: [Int32]
    /// How long a process has waited since its start, in nanoseconds.
    private let delay: (Int32) -> UInt64
    private var begin: (time: UInt64, delays: [UInt64])?
    /// The part of the measured time that the process waited which waited longest.
    private(set) var longest: Double?

    init(processes: [Int32], delay: @escaping (Int32) -> UInt64 = Self.delay) {
        self.processes = processes
        self.delay = delay
    }

    /// When it has to look next.
    func due(in measured: Range<UInt64>?) -> UInt64? {
        guard let measured, longest == nil else { return nil }
        return begin == nil ? measured.lowerBound : measured.upperBound
    }

    mutating func look(at now: UInt64, in measured: Range<UInt64>) {
        guard let due = due(in: measured), now >= due else { return }
        if begin == nil {
            begin = (now, processes.map(delay))
        } else {
            end(at: now)
        }
    }

    /// The measured time ends here, if it has not ended before.
    mutating func end(at now: UInt64) {
        guard longest == nil, let begin else { return }
        let waited = zip(processes.map(delay), begin.delays).map { $0 - min($0, $1) }
        longest = Double(waited.max() ?? 0) / Double(max(1, now - begin.time))
    }

    /// That of its first thread, which makes the load; 0 where the kernel does not say.
    static func delay(of process: Int32) -> UInt64 {
        let numbers = SystemFile.numbers("/proc/\(process)/schedstat")
        return numbers.count > 1 ? UInt64(numbers[1]) : 0
    }
}
