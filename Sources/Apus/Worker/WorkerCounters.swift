// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusRing
import ApusTLS

/// What a worker has done and holds, for its operator; every gauge is back to zero when idle.
struct WorkerCounters {
    // Gauges.
    var operationsInFlight = 0

    // Totals since the worker started.
    var connectionsAccepted = 0
    var acceptsFailed = 0
    var connectionsRefused = 0
    var connectionsOpened = 0
    var connectsFailed = 0
    var handshakesCompleted = 0
    var handshakesRefused = 0
    var handshakesTimedOut = 0
    /// Of the refused ones, those from pages that the policy does not welcome.
    var originsRefused = 0
    var proxyHeadersRefused = 0
    var tlsHandshakesCompleted = 0
    /// Of the completed ones, those that went on with an earlier session.
    var tlsSessionsResumed = 0
    var tlsHandshakesFailed = 0
    /// Connections whose TLS failed after the handshake: forged records, floods.
    var tlsSessionsFailed = 0
    /// Clients that speak TLS where it is not spoken.
    var tlsHellosRefused = 0
    /// Clients that do not speak TLS where it is.
    var plainRequestsRefused = 0
    /// Ordinary requests, those that were refused for their method or for want of a handler too.
    var requestsAnswered = 0
    /// Those whose body or answer did not come in time.
    var requestsTimedOut = 0
    /// Those whose body is too large, or none.
    var bodiesRefused = 0
    var messagesReceived = 0
    var messagesSent = 0
    var protocolViolations = 0
    var keepaliveTimeouts = 0
    var closeTimeouts = 0
    /// How often a connection was silent for so long that it is polled.
    var connectionsQuieted = 0
    var sendQueueOverflows = 0
    var messagesDropped = 0
    var messagesCompressed = 0
    /// What was compressed, before and after.
    var bytesCompressed = 0
    var wireBytesCompressed = 0
    /// What was inflated, before and after.
    var wireBytesInflated = 0
    var bytesInflated = 0
    /// The most that was inflated in one turn.
    var bytesInflatedInTurnMax = 0
    /// Compressed messages that were corrupt or too large.
    var inflationsRefused = 0
    var broadcastsSent = 0
    var broadcastsReceived = 0
    var broadcastsRefused = 0
    /// How often broadcasts of another worker were lost here, since we were too far behind.
    var broadcastLosses = 0
    /// How often this worker's broadcasts went on without one that was too far behind.
    var broadcastReadersLapsed = 0
    var handlerErrors = 0
    var receiveBuffersExhausted = 0
    var staleCompletions = 0
    var sendsShort = 0
}

extension ConnectionDriver where Ring: ~Copyable {
    /// Gauges and totals by their names, for a log line.
    func report() -> [(name: String, value: Int)] {
        [
            ("connections_open", table.count - endingCount),
            ("slots_in_use", table.count),
            ("operations_in_flight", counters.operationsInFlight),
            ("buffers_lent", ring.lentBufferCount),
            ("output_bytes_queued", table.all.reduce(0) { $0 + $1.output.value.byteCount }),
            ("output_chunks", outputPool.value.lentCount),
            ("message_buffers", messageBuffers.value.lentCount),
            ("broadcast_bytes_queued", broadcasts.channel?.backlogByteCount ?? 0),
            ("compression_contexts", compression.contextCount),
            ("compressors_lent", compression.lentDeflaterCount),
            ("inflaters_lent", compression.streamingCount),
            ("tls_sessions_busy", wire.busySessionCount),
            ("connections_accepted", counters.connectionsAccepted),
            ("accepts_failed", counters.acceptsFailed),
            ("connections_refused", counters.connectionsRefused),
            ("connections_opened", counters.connectionsOpened),
            ("connects_failed", counters.connectsFailed),
            ("handshakes_completed", counters.handshakesCompleted),
            ("handshakes_refused", counters.handshakesRefused),
            ("handshakes_timed_out", counters.handshakesTimedOut),
            ("origins_refused", counters.originsRefused),
            ("proxy_headers_refused", counters.proxyHeadersRefused),
            ("tls_handshakes_completed", counters.tlsHandshakesCompleted),
            ("tls_sessions_resumed", counters.tlsSessionsResumed),
            ("tls_handshakes_failed", counters.tlsHandshakesFailed),
            ("tls_sessions_failed", counters.tlsSessionsFailed),
            ("tls_hellos_refused", counters.tlsHellosRefused),
            ("plain_requests_refused", counters.plainRequestsRefused),
            ("requests_answered", counters.requestsAnswered),
            ("requests_timed_out", counters.requestsTimedOut),
            ("bodies_refused", counters.bodiesRefused),
            ("messages_received", counters.messagesReceived),
            ("messages_sent", counters.messagesSent),
            ("protocol_violations", counters.protocolViolations),
            ("keepalive_timeouts", counters.keepaliveTimeouts),
            ("close_timeouts", counters.closeTimeouts),
            ("connections_quieted", counters.connectionsQuieted),
            ("send_queue_overflows", counters.sendQueueOverflows),
            ("messages_dropped", counters.messagesDropped),
            ("messages_compressed", counters.messagesCompressed),
            ("bytes_compressed", counters.bytesCompressed),
            ("wire_bytes_compressed", counters.wireBytesCompressed),
            ("wire_bytes_inflated", counters.wireBytesInflated),
            ("bytes_inflated", counters.bytesInflated),
            ("bytes_inflated_in_turn_max", counters.bytesInflatedInTurnMax),
            ("inflations_refused", counters.inflationsRefused),
            ("broadcasts_sent", counters.broadcastsSent),
            ("broadcasts_received", counters.broadcastsReceived),
            ("broadcasts_refused", counters.broadcastsRefused),
            ("broadcast_losses", counters.broadcastLosses),
            ("broadcast_readers_lapsed", counters.broadcastReadersLapsed),
            ("handler_errors", counters.handlerErrors),
            ("receive_buffers_exhausted", counters.receiveBuffersExhausted),
            ("stale_completions", counters.staleCompletions),
            ("sends_short", counters.sendsShort),
        ]
    }
}
