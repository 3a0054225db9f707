// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// What the server used, as programs read it.
struct ServerFigures: Codable, Equatable {
    /// This and the next two are nil where the run ended before its measured time began.
    var cpuSeconds: Double?
    /// Nil where there were no messages.
    var cpuMicrosecondsPerMessage: Double?
    /// The part of the time that its busiest thread was on a processor.
    var busiestThread: Double?
    var rssBytes: Int
    var pssBytes: Int?
    /// Before the first connection.
    var rssBytesBefore: Int
    var pssBytesBefore: Int?

    enum CodingKeys: String, CodingKey {
        case cpuSeconds = "cpu_seconds"
        case cpuMicrosecondsPerMessage = "cpu_us_per_message"
        case busiestThread = "busiest_thread"
        case rssBytes = "rss_bytes"
        case pssBytes = "pss_bytes"
        case rssBytesBefore = "rss_bytes_before"
        case pssBytesBefore = "pss_bytes_before"
    }

    init(_ usage: ServerUsage, messagesPerSecond: Double) {
        if let cpu = usage.processorTime {
            // The two looks at the server may be a little further apart than the messages'
            // interval.
            let cpuPerSecond = Double(cpu.nanoseconds) / Double(cpu.elapsedNanoseconds)
            cpuSeconds = Double(cpu.nanoseconds) / 1e9
            cpuMicrosecondsPerMessage =
                messagesPerSecond > 0 ? cpuPerSecond / messagesPerSecond * 1e6 : nil
            busiestThread = cpu.busiestThread
        }
        rssBytes = usage.memory.resident
        pssBytes = usage.memory.proportional
        rssBytesBefore = usage.memoryBefore.resident
        pssBytesBefore = usage.memoryBefore.proportional
    }
}
