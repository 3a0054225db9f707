// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// What one process of a run does: the flags of the command line, checked, and its share of them.
///
/// The command makes one for each process and hands it over as JSON.
struct LoadPlan: Codable, Sendable, Equatable {
    /// What is done to the server.
    enum Mode: String, Codable, Sendable, CaseIterable {
        /// Messages come back; a closed model with `inflight`, an open one with `rate`.
        case echo
        /// Connections are held and answer pings.
        case idle
        /// Connect, upgrade, echo once, close; again and again.
        case churn
        /// The first connection of the first process sends; all others receive.
        case fanout
        /// Messages are sent as fast as they are taken; nothing is expected back.
        case upload
        /// As echo, with pings and their pongs.
        case pingpong
    }

    /// When messages of an open model are due.
    enum Arrivals: String, Codable, Sendable, CaseIterable {
        case constant
        case poisson
    }

    var url: String
    var mode = Mode.echo
    var isText = true
    /// Whether messages are compressed, each for itself.
    var isCompressed = false
    /// Bytes of a message's payload, each length as likely as the other.
    var sizes = 20...20
    /// Connections of this process.
    var connections = 100
    /// The number of this process's first connection among those of all processes.
    var firstConnection = 0
    /// Messages under way on a connection, of the closed model.
    var inflight = 1
    /// Messages a second of this process; nil is the closed model.
    var rate: Double?
    var arrivals = Arrivals.constant
    /// So much of an interval of its rates later than the start this process begins, so that
    /// several do not send, or connect, at the same instants.
    var rateOffset = 0.0
    /// The most connections that this process opens a second; nil is as fast as they are taken.
    var connectRate: Double?
    var warmUpNanoseconds: UInt64 = 1_000_000_000
    var durationNanoseconds: UInt64 = 10_000_000_000
    /// Addresses to connect from, in turn; empty leaves it to the kernel.
    var sourceAddresses: [String] = []
    var subprotocols: [String] = []
    var origin: String?
    /// Further fields of the request, each a name and a value.
    var headers: [[String]] = []
    /// How long an upgrade, and a reply at the end, may take.
    var timeoutNanoseconds: UInt64 = 10_000_000_000
    /// What sizes, arrivals and masking keys are drawn from.
    var seed: UInt64 = 0
    /// Whether certificates of wss:// are taken unseen.
    var isInsecure = false
}
