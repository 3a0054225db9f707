// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusDeflate

/// What one worker compresses and inflates with.
@WorkerActor
final class CompressionPool {
    /// How many inflaters may be with messages that have come in part.
    ///
    /// They take 40 KiB each. Where there are no more, what comes of a message is kept as it is until
    /// its end, and no compression is agreed on with further peers.
    static let streamingInflatersMax = 256

    /// How many that nobody uses are kept.
    private static let freeMax = 64

    /// Those for messages that stand alone.
    private var shared: [Deflater.Settings: Deflater] = [:]
    private var freeDeflaters: [Deflater.Settings: [Deflater]] = [:]
    private var freeInflaters: [Inflater] = []

    /// How many connections have messages that refer to those before them, or have offered that.
    var contextCount = 0
    /// How many connections of servers may compress.
    var connectionCount = 0
    /// How many compressors such connections have now.
    private(set) var lentDeflaterCount = 0
    /// How many inflaters are with messages that have come in part.
    private(set) var streamingCount = 0
    /// How much was inflated in this turn.
    var inflatedByteCount = 0
    /// Those that go on in a later one, in this order.
    var waiting: [Connection] = []

    /// One that remembers nothing, to be used at once.
    func deflater(_ settings: Deflater.Settings) -> Deflater {
        if let deflater = shared[settings] {
            deflater.reset()
            return deflater
        }
        let deflater = Deflater(settings)
        shared[settings] = deflater
        return deflater
    }

    /// One that remembers nothing, for a connection to keep.
    func takeDeflater(_ settings: Deflater.Settings) -> Deflater {
        lentDeflaterCount += 1
        guard let deflater = freeDeflaters[settings]?.popLast() else { return Deflater(settings) }
        deflater.reset()
        return deflater
    }

    func give(_ deflater: Deflater) {
        lentDeflaterCount -= 1
        if freeDeflaters[deflater.settings, default: []].count < Self.freeMax {
            freeDeflaters[deflater.settings]?.append(deflater)
        }
    }

    /// One for a message that has come whole.
    func takeInflater() -> Inflater { freeInflaters.popLast() ?? Inflater() }

    func give(_ inflater: Inflater) {
        if freeInflaters.count < Self.freeMax { freeInflaters.append(inflater) }
    }

    /// Whether messages that come in part may have inflaters.
    var hasStreamingInflater: Bool { streamingCount < Self.streamingInflatersMax }

    /// One for a message that has come in part; nil where there are too many.
    func takeStreamingInflater() -> Inflater? {
        hasStreamingInflater ? addStreamingInflater() : nil
    }

    /// One for a message that cannot do without.
    func addStreamingInflater() -> Inflater {
        streamingCount += 1
        return takeInflater()
    }

    func giveStreaming(_ inflater: Inflater) {
        streamingCount -= 1
        give(inflater)
    }
}

/// What a connection keeps of its messages where they are compressed.
@WorkerActor
final class MessageContexts {
    /// What its next message may refer to; nil: nothing.
    var deflater: Deflater?
    /// Whether that was used since a keepalive interval before.
    var isDeflaterUsed = false
    /// What the peer's next message may refer to.
    var window: InflationWindow?
    /// The compressed message that has come in part.
    var message: InflatingMessage?
}

/// A compressed message of which not all has come, or is delivered.
@WorkerActor
final class InflatingMessage {
    let kind: MessageKind
    /// Nil while what comes is only kept; then the connection's assembly is what has come out.
    var inflater: Inflater?
    var text = UTF8Validator()
    var hasDelivered = false
    /// What has come and waits, since the connection pauses in the midst of it.
    var rest: (bytes: [UInt8], isLast: Bool)?

    init(_ kind: MessageKind) {
        self.kind = kind
    }
}

extension Connection {
    var contexts: MessageContexts? {
        get { extras?.contexts }
        set { setExtra(newValue) { $0.contexts = $1 } }
    }

    /// Whether the message that has come in part is compressed.
    var isInflating: Bool { extras?.contexts?.message != nil }

    /// What it keeps; made where there is nothing yet.
    func madeContexts() -> MessageContexts {
        if let contexts { return contexts }
        let contexts = MessageContexts()
        self.contexts = contexts
        return contexts
    }
}
