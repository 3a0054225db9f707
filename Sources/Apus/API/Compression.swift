// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusDeflate
import ApusProtocol
import Logging

/// Whether and how messages are compressed: permessage-deflate, RFC 7692.
///
/// ```swift
/// configuration.compression = .shared
/// configuration.compression.threshold = 512
/// ```
/// <doc:Compressing> says what each costs.
public struct Compression: Hashable, Sendable {
    /// What is kept of messages for those that follow them.
    public enum Mode: Hashable, Sendable {
        /// Nothing is compressed, nor offered.
        case off

        /// Each message is compressed for itself, by what all connections of a worker share: an
        /// idle connection takes no memory for it.
        case shared

        /// A connection's messages refer to those before them, so that small ones that are alike
        /// take the fewest bytes.
        ///
        /// Windows have `windowBits`, 9 to 15, or less where the peer wants so; the compressor takes
        /// `memoryLevel`, 1 to 9, besides. No more than `contextsMax` connections of a worker have
        /// contexts: further ones are treated as with `shared`.
        case dedicated(windowBits: Int, memoryLevel: Int, contextsMax: Int)
    }

    /// A library that compresses; what is received is inflated by zlib.
    public enum Engine: String, Hashable, Sendable, CaseIterable {
        /// What every build has.
        case zlib

        /// Intel's ISA-L, for messages that stand alone, up to level 3; zlib for all else.
        ///
        /// A build has it with the package's trait `ISAL`.
        case isaL = "isa-l"

        /// Whether this build has it.
        public var isBuiltIn: Bool { deflater != nil }

        /// The fastest that this build has.
        public static let fastest = Engine.isaL.isBuiltIn ? Engine.isaL : .zlib

        var deflater: Deflater.Engine? { Deflater.Engine(rawValue: rawValue) }
    }

    /// What is kept of messages for those that follow them.
    public var mode: Mode

    /// What compresses; by default the fastest that this build has.
    public var engine = Engine.fastest

    /// The effort, 1 to 9; 0 as well where ``engine`` is ISA-L.
    ///
    /// Level 0 does without codes of a message's own: on JSON of 1 KiB it takes a quarter of the
    /// time of level 1, for 30 % more bytes. Of zlib level 6 takes a quarter more time than 1 there for
    /// 3 % fewer bytes, and on JSON of 16 KiB twice the time for 16 % fewer.
    public var level = 1

    /// The least message that is compressed, in bytes.
    ///
    /// Smaller ones take as much time as one of several hundred bytes, and hardly shrink.
    public var threshold = 256

    /// How many times larger than what came of it a received message may be inflated to; more: 1009.
    ///
    /// Not for messages of up to 64 KiB. By default the limit of a message's size is the only one.
    public var maxInflationRatio: Int?

    /// What a mode has by default.
    public init(_ mode: Mode) {
        self.mode = mode
    }

    /// Nothing is compressed: the default.
    public static let off = Compression(.off)

    /// Each message for itself: the one to begin with.
    public static let shared = Compression(.shared)

    /// With contexts; by default 38 KiB to send and 4 KiB to receive, for 1024 connections of a
    /// worker.
    public static func dedicated(
        windowBits: Int = 12,
        memoryLevel: Int = 5,
        contextsMax: Int = 1024
    ) -> Compression {
        Compression(
            .dedicated(
                windowBits: windowBits,
                memoryLevel: memoryLevel,
                contextsMax: contextsMax
            )
        )
    }

    /// What makes no sense; nil if all does.
    var objection: String? {
        if !engine.isBuiltIn {
            return "has the engine \(engine.rawValue), but this build has not: its trait is ISAL"
        }
        let levels = engine == .isaL ? 0...9 : 1...9
        if !levels.contains(level) {
            return "has a level of \(level), but has to have \(levels.lowerBound) to 9"
        }
        if threshold < 1 { return "has a threshold of \(threshold), but has to have at least 1" }
        if let maxInflationRatio, maxInflationRatio < 1 {
            return "has a ratio of \(maxInflationRatio), but has to have at least 1"
        }
        guard case .dedicated(let windowBits, let memoryLevel, let contextsMax) = mode else {
            return nil
        }
        if !(9...15).contains(windowBits) {
            return "has windows of \(windowBits) bits, but has to have 9 to 15"
        }
        if !(1...9).contains(memoryLevel) {
            return "has a memory level of \(memoryLevel), but has to have 1 to 9"
        }
        return contextsMax < 0 ? "has \(contextsMax) contexts" : nil
    }

    /// Whether a message of so many bytes is compressed.
    func isWorthwhile(for byteCount: Int) -> Bool {
        byteCount >= threshold && byteCount <= 1 << 30
    }

    /// What is negotiated where so many connections have contexts; nil: nothing.
    func preferences(contextCount: Int) -> DeflatePreferences? {
        switch mode {
        case .off:
            nil
        case .dedicated(let windowBits, _, let contextsMax) where contextCount < contextsMax:
            DeflatePreferences(takesOver: true, windowBits: windowBits)
        case .shared, .dedicated:
            DeflatePreferences(takesOver: false)
        }
    }

    /// The compressor of messages that refer to each other.
    func contextSettings(windowBits: Int) -> Deflater.Settings {
        var memoryLevel = 8
        if case .dedicated(_, let level, _) = mode { memoryLevel = level }
        return Deflater.Settings(
            windowBits: windowBits,
            memoryLevel: memoryLevel,
            level: max(1, level)
        )
    }

    /// The compressor of a message that stands alone, whose receiver has such a window.
    ///
    /// What is smaller than the window never refers to before it.
    func sharedSettings(windowBits: Int, byteCount: Int) -> Deflater.Settings {
        let deflater = engine.deflater ?? .zlib
        return Deflater.Settings(
            engine: deflater.levels.contains(level) ? deflater : .zlib,
            windowBits: byteCount <= 1 << windowBits ? 15 : windowBits,
            level: level
        )
    }

    /// What a log tells of it; nil where nothing is compressed.
    var metadata: Logger.Metadata? {
        let settings =
            switch mode {
            case .off: nil as Deflater.Settings?
            case .shared: sharedSettings(windowBits: 15, byteCount: threshold)
            case .dedicated(let windowBits, _, _): contextSettings(windowBits: windowBits)
            }
        return settings.map {
            [
                "engine": "\($0.engine.rawValue)", "level": "\($0.level)",
                "window_bits": "\($0.windowBits)",
            ]
        }
    }
}
