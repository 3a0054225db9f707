// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Histogram

/// What one process measured, between the end of the warm-up and the end of the run.
///
/// Reports of several processes add up to one.
struct LoadReport: Codable, Sendable {
    /// Nanoseconds, one nanosecond to ten minutes, three digits.
    typealias Latencies = Histogram<UInt64>

    /// Messages that came back, or were delivered (fan-out), or were taken by the server (upload).
    var messages: UInt64 = 0
    /// Their payloads' bytes.
    var payloadBytes: UInt64 = 0
    /// From the moment that a message was handed to the kernel to its reply.
    @Recorded var latency = Self.noLatencies()
    /// From the moment that a message was due to its reply; only of the open model.
    @Recorded var latencyFromIntended = Self.noLatencies()
    /// From the beginning of the connect to the 101.
    @Recorded var handshake = Self.noLatencies()

    var connectionsAsked: UInt64 = 0
    var connectionsOpened: UInt64 = 0
    var connectionsFailed: UInt64 = 0
    /// Failures by kind: `refused`, `timeout`, `reset`, `HTTP 503`, `close 1011` and the like.
    var errors: [String: UInt64] = [:]

    var lost: UInt64 = 0
    var duplicated: UInt64 = 0
    var reordered: UInt64 = 0
    var corrupted: UInt64 = 0

    /// How long was measured.
    var elapsedNanoseconds: UInt64 = 0
    /// What this process itself used of a processor in that time.
    var cpuNanoseconds: UInt64 = 0
    /// Messages of the open model that were sent over a millisecond after they were due, although
    /// their connection could take them: the client was late, not the server.
    var missedDeadlines: UInt64 = 0

    /// Where messages are compressed.
    var compression: CompressionReport?

    /// Adds what another process measured in the same time.
    mutating func add(_ other: LoadReport) {
        messages += other.messages
        payloadBytes += other.payloadBytes
        latency.add(other.latency)
        latencyFromIntended.add(other.latencyFromIntended)
        handshake.add(other.handshake)
        connectionsAsked += other.connectionsAsked
        connectionsOpened += other.connectionsOpened
        connectionsFailed += other.connectionsFailed
        errors.merge(other.errors, uniquingKeysWith: +)
        lost += other.lost
        duplicated += other.duplicated
        reordered += other.reordered
        corrupted += other.corrupted
        elapsedNanoseconds = max(elapsedNanoseconds, other.elapsedNanoseconds)
        cpuNanoseconds += other.cpuNanoseconds
        missedDeadlines += other.missedDeadlines
        if let theirs = other.compression { compression?.add(theirs) }
    }

    static func noLatencies() -> Latencies {
        Latencies(
            lowestDiscernibleValue: 1,
            highestTrackableValue: 600_000_000_000,
            numberOfSignificantValueDigits: .three
        )
    }
}

/// What became of messages that were compressed.
struct CompressionReport: Codable, Sendable, Equatable {
    /// What a message's payload is sent as.
    var sentByteCount: Int
    /// What was agreed on, as the server's field says it; nil while there is no connection.
    var field: String?
    /// Payloads that came, as they came, and inflated.
    var wireBytes: UInt64 = 0
    var messageBytes: UInt64 = 0

    mutating func add(_ other: CompressionReport) {
        field = field ?? other.field
        wireBytes += other.wireBytes
        messageBytes += other.messageBytes
    }
}
