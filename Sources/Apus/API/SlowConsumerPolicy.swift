// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// What happens when a peer reads slower than is sent, and more would wait for it than
/// ``ServerConfiguration/maxSendQueue`` allows.
///
/// Whole messages are dropped, and none of which a byte was sent; those that arrive are unharmed
/// and in the order in which they were sent. ``SendResult`` says what happened to each.
public enum SlowConsumerPolicy: Hashable, Sendable {
    /// The connection closes with 1008.
    case close

    /// The message that finds no room is dropped: the peer gets what is oldest.
    case dropNewest

    /// Messages that have waited longest are dropped until there is room: the peer gets the newest.
    ///
    /// Where that does not make enough room, since one is being sent, or one that is written in
    /// pieces is in the way, or the message is larger than the limit, it is dropped itself.
    case dropOldest

    /// Of messages with the same key only the latest waits; it takes its place at the end.
    ///
    /// That holds from the first message that has to wait, not only at the limit: what is out of
    /// date need not be sent at all. Over the limit, other messages go as with ``dropNewest``.
    case keepLatest
}
