// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// Numbers as letters that are valid text, six bits each, the lowest first.
enum SixBits {
    private static let low: UInt64 = 0x3F3F_3F3F_3F3F_3F3F
    private static let zero: UInt64 = 0x3030_3030_3030_3030

    /// The bits of a number that eight letters hold.
    static let numberMask: UInt64 = 1 << 48 - 1

    /// The lowest 48 bits as eight letters.
    @inline(__always)
    static func letters(_ number: UInt64) -> UInt64 {
        var bits = number & 0xFF_FFFF | (number & 0xFFFF_FF00_0000) << 8
        bits = bits & 0x0000_0FFF_0000_0FFF | (bits & 0x00FF_F000_00FF_F000) << 4
        bits = bits & 0x003F_003F_003F_003F | (bits & 0x0FC0_0FC0_0FC0_0FC0) << 2
        return bits &+ zero
    }

    /// Eight letters of six of the bits of each byte.
    @inline(__always)
    static func letters(of bits: UInt64) -> UInt64 {
        bits & low &+ zero
    }

    /// The number of eight letters; what is no letter of ours gives some number or other.
    static func number(_ letters: UInt64) -> UInt64 {
        var bits = (letters &- zero) & low
        bits = bits & 0x003F_003F_003F_003F | (bits & 0x3F00_3F00_3F00_3F00) >> 2
        bits = bits & 0x0000_0FFF_0000_0FFF | (bits & 0x0FFF_0000_0FFF_0000) >> 4
        return bits & 0xFF_FFFF | (bits & 0x00FF_FFFF_0000_0000) >> 8
    }

    static func digit(_ letter: UInt8) -> UInt64? {
        0x30...0x6F ~= letter ? UInt64(letter - 0x30) : nil
    }
}

/// Text without end, the same in every run: comparing and copying it is a matter of the processor's
/// widest instructions.
///
/// Nothing writes to it once it is made, so all may read it.
@safe
struct FillerTable: @unchecked Sendable {
    /// A prime number of words.
    ///
    /// Were it a power of two, then a buffer that a server sends twice, in
    /// place of the next one, might hold the same bytes as that.
    static let byteCount = 8 * 8209

    /// Random letters.
    static let letters = unsafe FillerTable { bytes in
        for index in 0..<byteCount / 8 {
            let word = SixBits.letters(of: Mixer.mix(0, UInt64(index)))
            unsafe bytes.storeBytes(
                of: word.littleEndian,
                toByteOffset: 8 * index,
                as: UInt64.self
            )
        }
    }

    /// Trades as JSON, no two alike: what is worth to be compressed.
    static let trades = unsafe FillerTable { bytes in
        var place = 0
        var number: UInt64 = 0
        while place < byteCount {
            let random = Mixer.mix(1, number)
            let trade = Trade(random).json.utf8.prefix(byteCount - place)
            for letter in trade {
                unsafe bytes[place] = letter
                place += 1
            }
            number += 1
        }
    }

    private let bytes: UnsafeRawBufferPointer

    private init(_ fill: (UnsafeMutableRawBufferPointer) -> Void) {
        let bytes = UnsafeMutableRawBufferPointer.allocate(
            byteCount: Self.byteCount,
            alignment: 64
        )
        unsafe fill(bytes)
        unsafe self.bytes = UnsafeRawBufferPointer(bytes)
    }

    /// Calls with the pieces that so many bytes from a place on are made of: behind the table's end
    /// comes its beginning.
    @inline(__always)
    func forEachPiece(
        from start: Int,
        _ count: Int,
        _ body: (UnsafeRawBufferPointer) -> Void
    ) {
        var place = start % Self.byteCount
        var rest = count
        while rest > 0 {
            let pieceCount = min(rest, Self.byteCount - place)
            unsafe body(UnsafeRawBufferPointer(rebasing: bytes[place..<place + pieceCount]))
            rest -= pieceCount
            place = 0
        }
    }
}

/// What programs tell each other of: few words and many numbers.
private struct Trade {
    let json: String

    init(_ random: UInt64) {
        func number(_ shift: UInt64, below count: UInt64, digits: Int = 1) -> String {
            let text = String((random >> shift) % count)
            return String(repeating: "0", count: max(0, digits - text.count)) + text
        }
        json =
            #"{"symbol":"\#(random & 1 == 0 ? "BTC-USD" : "ETH-EUR")","price":"#
            + number(8, below: 60_000) + "." + number(24, below: 100, digits: 2)
            + #","size":"# + number(32, below: 1000)
            + #","side":"\#(random & 2 == 0 ? "buy" : "sell")","time":"2026-11-23T17:"#
            + number(40, below: 60, digits: 2) + ":" + number(46, below: 60, digits: 2) + "."
            + number(52, below: 1000, digits: 3) + #"Z","id":"# + number(16, below: 1 << 24) + "},"
    }
}
