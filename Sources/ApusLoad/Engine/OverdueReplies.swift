// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// The replies that were given up after the timeout, and when their messages were sent: if they do
/// come they are late, not reordered, and their latency is known.
struct OverdueReplies {
    private struct Key: Hashable {
        let slot: UInt32
        let sequence: UInt64
    }

    /// Of more, all are lost or reordered.
    static let countMax = 1 << 16

    private var times: [Key: SendTimes.Times] = [:]

    mutating func add(_ sequence: UInt64, of slot: UInt32, _ sent: SendTimes.Times) {
        guard times.count < Self.countMax else { return }
        times[Key(slot: slot, sequence: sequence)] = sent
    }

    /// When a message was sent whose reply has come after all; nil if that was not given up.
    mutating func take(_ sequence: UInt64, of slot: UInt32) -> SendTimes.Times? {
        times.removeValue(forKey: Key(slot: slot, sequence: sequence))
    }
}
