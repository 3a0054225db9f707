// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import FoundationEssentials

/// The result of a run, as programs read it: the keys are part of the command's interface.
struct LoadResult: Codable, Equatable {
    struct Connections: Codable, Equatable {
        var asked: UInt64
        var opened: UInt64
        var failed: UInt64
    }

    struct Client: Codable, Equatable {
        /// Processor time of all processes of the load.
        var cpuSeconds: Double
        /// The part of the time that the busiest of them was on a processor.
        var busiest: Double
        var missedDeadlines: UInt64
        /// The part of the time that one of them waited for a processor, at most; nil where the
        /// run ended before its measured time began.
        var runDelay: Double?

        enum CodingKeys: String, CodingKey {
            case cpuSeconds = "cpu_seconds"
            case busiest
            case missedDeadlines = "missed_deadlines"
            case runDelay = "run_delay"
        }
    }

    /// What was agreed on, and what a message takes on the wire.
    struct Compression: Codable, Equatable {
        var `extension`: String?
        var sentBytesPerMessage: Int
        var receivedWireBytes: UInt64
        var receivedMessageBytes: UInt64

        enum CodingKeys: String, CodingKey {
            case `extension`
            case sentBytesPerMessage = "sent_bytes_per_message"
            case receivedWireBytes = "received_wire_bytes"
            case receivedMessageBytes = "received_message_bytes"
        }
    }

    var messages: UInt64
    var messagesPerSecond: Double
    var bytesPerSecond: Double
    /// Of the open model from the time that a message was due, else from its sending.
    var latency: LatencyFigures
    /// Only of the open model.
    var latencyFromSend: LatencyFigures?
    var handshake: LatencyFigures
    var connections: Connections
    var errors: [String: UInt64]
    var lost: UInt64
    var duplicated: UInt64
    var reordered: UInt64
    var corrupted: UInt64
    /// Only where messages were compressed.
    var compression: Compression?
    /// Only where its process is known.
    var server: ServerFigures?
    var client: Client
    var clientBound: Bool
    /// Why it is, in a sentence.
    var clientBoundReason: String?
    var durationSeconds: Double
    var interrupted: Bool
    var plan: PlanFigures
    var machine: Machine
    var version: String
    var date: String

    enum CodingKeys: String, CodingKey {
        case messages
        case messagesPerSecond = "messages_per_second"
        case bytesPerSecond = "bytes_per_second"
        case latency = "latency_us"
        case latencyFromSend = "latency_from_send_us"
        case handshake = "handshake_us"
        case connections, errors, lost, duplicated, reordered, corrupted, server, client
        case compression
        case clientBound = "client_bound"
        case clientBoundReason = "client_bound_reason"
        case durationSeconds = "duration_seconds"
        case interrupted, plan, machine, version, date
    }

    init(_ outcome: LoadOutcome, of plan: LoadPlan) {
        let report = outcome.report
        let seconds = Double(report.elapsedNanoseconds) / 1e9
        let busiest = outcome.processes.map(\.busy).max() ?? 0
        messages = report.messages
        let rate = seconds > 0 ? Double(report.messages) / seconds : 0
        messagesPerSecond = rate
        bytesPerSecond = seconds > 0 ? Double(report.payloadBytes) / seconds : 0
        let fromSend = LatencyFigures(report.latency)
        let hasBoth = plan.hasBothLatencies
        latency = hasBoth ? LatencyFigures(report.latencyFromIntended) : fromSend
        latencyFromSend = hasBoth ? fromSend : nil
        handshake = LatencyFigures(report.handshake)
        connections = Connections(
            asked: report.connectionsAsked,
            opened: report.connectionsOpened,
            failed: report.connectionsFailed
        )
        errors = report.errors
        lost = report.lost
        duplicated = report.duplicated
        reordered = report.reordered
        corrupted = report.corrupted
        compression = report.compression.map {
            Compression(
                extension: $0.field,
                sentBytesPerMessage: $0.sentByteCount,
                receivedWireBytes: $0.wireBytes,
                receivedMessageBytes: $0.messageBytes
            )
        }
        server = outcome.server.map { ServerFigures($0, messagesPerSecond: rate) }
        client = Client(
            cpuSeconds: Double(report.cpuNanoseconds) / 1e9,
            busiest: busiest,
            missedDeadlines: report.missedDeadlines,
            runDelay: outcome.runDelay
        )
        clientBoundReason = ClientBound.reason(
            plan: plan,
            report: report,
            busiest: busiest,
            runDelay: outcome.runDelay,
            isServerSaturated: outcome.server?.processorTime?.isSaturated
        )
        clientBound = clientBoundReason != nil
        durationSeconds = seconds
        interrupted = outcome.isInterrupted
        self.plan = PlanFigures(plan, processes: outcome.processes.count)
        machine = Machine.this
        version = LoadCommand.configuration.version
        date = outcome.date
    }

    /// Whether every message came back once, in order and as it was sent, and nothing failed.
    var isFlawless: Bool {
        lost + duplicated + reordered + corrupted + connections.failed == 0 && errors.isEmpty
    }

    /// What the command ends with: 130 for a run that was ended, as shells have it for SIGINT.
    var exitCode: Int32 {
        interrupted ? 130 : isFlawless ? 0 : 1
    }

    func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }
}

extension LoadOutcome {
    /// All processes as one.
    var report: LoadReport {
        processes.dropFirst().reduce(into: processes.first ?? LoadReport()) { $0.add($1) }
    }
}

extension LoadPlan {
    /// Whether each message has a time at which it was due beside that at which it was sent.
    ///
    /// A fan-out's messages carry one time to their subscribers, that at which they were due; the
    /// pings of an upload tell when they were sent.
    var hasBothLatencies: Bool { rate != nil && (mode == .echo || mode == .pingpong) }
}

extension LoadReport {
    /// The part of the measured time that this process was on a processor.
    var busy: Double {
        elapsedNanoseconds > 0 ? Double(cpuNanoseconds) / Double(elapsedNanoseconds) : 0
    }
}
