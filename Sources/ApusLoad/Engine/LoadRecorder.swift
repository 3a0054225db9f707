// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Histogram

/// The latencies of a run, where recording one costs no check but the histogram's own.
@safe
final class LoadRecorder {
    private let latencies: UnsafeMutablePointer<LoadReport.Latencies>

    init() {
        unsafe latencies = UnsafeMutablePointer.allocate(capacity: 2)
        unsafe latencies.initialize(repeating: LoadReport.noLatencies(), count: 2)
    }

    deinit {
        unsafe latencies.deinitialize(count: 2)
        unsafe latencies.deallocate()
    }

    var latency: LoadReport.Latencies { unsafe latencies[0] }
    var latencyFromIntended: LoadReport.Latencies { unsafe latencies[1] }

    @inline(__always)
    func record(_ nanoseconds: UInt64) {
        unsafe latencies[0].record(nanoseconds)
    }

    @inline(__always)
    func recordFromIntended(_ nanoseconds: UInt64) {
        unsafe latencies[1].record(nanoseconds)
    }

    /// What this process has used of a processor, in nanoseconds.
    static func processorTime() -> UInt64 {
        var time = timespec()
        let result = unsafe clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        precondition(result == 0, "the process has no clock")
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
