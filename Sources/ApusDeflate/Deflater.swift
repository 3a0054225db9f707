// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// A compressor of messages: raw DEFLATE, RFC 1951, as permessage-deflate wants it.
///
/// It remembers what it compressed since it was made or reset, so that a message may refer to those
/// before it. Most of what zlib's takes is for that: 4 times the window, and 512 bytes times 2 to
/// the power of the memory level.
package final class Deflater {
    /// What a compressed message ends with, and is sent without, RFC 7692 §7.2.1.
    package static let tail: [UInt8] = [0x00, 0x00, 0xFF, 0xFF]

    /// The library that compresses; those that are built in.
    package enum Engine: String, Hashable, Sendable, CaseIterable {
        case zlib
        #if ISAL
            /// Faster, and larger: for messages that stand alone, whose compressor is shared.
            case isaL = "isa-l"
        #endif

        /// The efforts that it knows; 0 is fixed codes.
        package var levels: ClosedRange<Int> {
            switch self {
            case .zlib: 1...9
            #if ISAL
                case .isaL: 0...3
            #endif
            }
        }
    }

    /// The sizes and the effort of a compressor.
    package struct Settings: Hashable, Sendable {
        package var engine: Engine
        /// How far back it refers: 2 to the power of 9 to 15 bytes.
        package var windowBits: Int
        /// How much memory zlib takes besides, 1 to 9.
        package var memoryLevel: Int
        /// The effort, of the engine's ``Engine/levels``.
        package var level: Int

        package init(engine: Engine = .zlib, windowBits: Int, memoryLevel: Int = 8, level: Int) {
            self.engine = engine
            self.windowBits = windowBits
            self.memoryLevel = memoryLevel
            self.level = level
        }
    }

    package let settings: Settings
    private let stream: any DeflateStream

    /// Settings out of their ranges are the caller's fault and trap.
    package init(_ settings: Settings) {
        self.settings = settings
        switch settings.engine {
        case .zlib: stream = ZlibStream(settings)
        #if ISAL
            case .isaL: stream = ISALStream(settings)
        #endif
        }
    }

    /// Forgets what it has compressed.
    package func reset() { stream.reset() }

    /// So much room does for any so many bytes.
    package static func byteCountMax(for byteCount: Int) -> Int {
        byteCount + byteCount / 8 + 64
    }

    /// Compresses a message, or a piece of one, of at least one byte; returns how many bytes that
    /// makes, the last four of which are the ``tail``.
    ///
    /// Nil where there is no room for it; the compressor is to be reset then. Its stream gets no
    /// more than `byteCountMax` at once.
    package func compress(
        _ bytes: UnsafeRawBufferPointer,
        into output: UnsafeMutableRawBufferPointer,
        atOnce byteCountMax: Int = 1 << 30
    ) -> Int? {
        precondition(bytes.count > 0, "nothing to compress")
        var (taken, made) = (0, 0)
        while made < output.count {
            let input = unsafe UnsafeRawBufferPointer(
                rebasing: bytes[taken..<min(bytes.count, taken + byteCountMax)]
            )
            let room = unsafe UnsafeMutableRawBufferPointer(
                rebasing: output[made..<min(output.count, made + byteCountMax)]
            )
            let isLast = taken + input.count == bytes.count
            let step = unsafe stream.deflate(input, into: room, isLast: isLast)
            taken += step.taken
            made += step.made
            if isLast, step.made < room.count {
                precondition(taken == bytes.count, "a compressor left something out")
                return made
            }
        }
        return nil
    }
}
