// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusDeflate

/// A message in pieces that an inflater is fed with, and what came out.
struct Inflation {
    private(set) var bytes: [UInt8] = []
    private(set) var defect: InflationDefect?
    private(set) var lastCount = 0

    init(
        _ pieces: [ArraySlice<UInt8>],
        by inflater: Inflater = Inflater(),
        limits: Inflater.Limits = .init(byteCountMax: 1 << 30),
        window: [UInt8]? = nil,
        chunk: Int = 16_384
    ) {
        var room = [UInt8](repeating: 0, count: chunk)
        if let window {
            unsafe window.withUnsafeBytes { unsafe inflater.begin(within: limits, window: $0) }
        } else {
            unsafe inflater.begin(within: limits)
        }
        for (index, piece) in pieces.enumerated() where defect == nil {
            unsafe piece.withUnsafeBytes { piece in
                unsafe room.withUnsafeMutableBytes { room in
                    unsafe defect = inflater.inflate(
                        piece,
                        isLast: index == pieces.count - 1,
                        by: room
                    ) { part, isLast in
                        unsafe bytes += part
                        lastCount += isLast ? 1 : 0
                        return true
                    }
                }
            }
        }
    }
}

/// A message as it is sent.
func deflated(
    _ message: [UInt8],
    by deflater: Deflater = Deflater(.init(windowBits: 15, memoryLevel: 8, level: 6))
) -> [UInt8] {
    guard !message.isEmpty else { return [0] }
    var output = [UInt8](repeating: 0, count: Deflater.byteCountMax(for: message.count))
    let count = unsafe message.withUnsafeBytes { message in
        unsafe output.withUnsafeMutableBytes { unsafe deflater.compress(message, into: $0) }
    }
    return Array(output[..<((count ?? 0) - Deflater.tail.count)])
}

/// Bits as DEFLATE packs them, RFC 1951 §3.1.1.
struct Bits {
    private(set) var bytes: [UInt8] = []
    private var count = 0

    /// A number, its least significant bit first.
    mutating func add(_ value: Int, _ bitCount: Int) {
        for bit in 0..<bitCount { add(bit: value >> bit & 1) }
    }

    /// A Huffman code, its most significant bit first.
    mutating func addHuffman(_ code: Int, _ bitCount: Int) {
        for bit in (0..<bitCount).reversed() { add(bit: code >> bit & 1) }
    }

    private mutating func add(bit: Int) {
        if count % 8 == 0 { bytes.append(0) }
        bytes[count / 8] |= UInt8(bit << (count % 8))
        count += 1
    }
}
