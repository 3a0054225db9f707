// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Histogram

/// The latencies of a run as an HdrHistogram log, version 1.3: a line for each kind, in nanoseconds.
///
/// Any tool of the HdrHistogram family reads it. Its compressed form (V2) is a zlib stream, whose
/// blocks are stored here as they are: a reader does not see a difference, and no library is needed.
struct HdrLog {
    let text: String

    init(_ outcome: LoadOutcome, _ plan: LoadPlan) {
        let report = outcome.report
        let seconds = Figures.fixed(Double(report.elapsedNanoseconds) / 1e9, 3)
            .filter { $0 != "," }
        var lines = [
            "#[Histogram log format version 1.3]",
            "#[apus-load, \(outcome.date), nanoseconds]",
            "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\","
                + "\"Interval_Compressed_Histogram\"",
        ]
        var kinds = [("handshake", report.handshake), ("latency", report.latency)]
        if plan.hasBothLatencies { kinds.append(("intended", report.latencyFromIntended)) }
        for (tag, latencies) in kinds {
            let most = Figures.fixed(Double(latencies.max) / 1e6, 3).filter { $0 != "," }
            let bytes = Data(Self.compressed(Self.encoded(latencies))).base64EncodedString()
            lines.append("Tag=\(tag),0.000,\(seconds),\(most),\(bytes)")
        }
        text = lines.joined(separator: "\n") + "\n"
    }

    /// Version 2: a head, then counts in order, runs of zeros as one negative number.
    static func encoded(_ latencies: LoadReport.Latencies) -> [UInt8] {
        var counts: [UInt8] = []
        var value: UInt64 = 0
        var zeros: Int64 = 0
        while latencies.totalCount > 0, value <= latencies.max {
            let count = latencies.countForValue(value)
            if count == 0 {
                zeros += 1
            } else {
                if zeros > 0 { append(-zeros, to: &counts) }
                zeros = 0
                append(Int64(clamping: count), to: &counts)
            }
            value = latencies.nextNonEquivalentForValue(value)
        }
        var bytes: [UInt8] = []
        append(UInt32(0x1C84_9313), to: &bytes)
        append(UInt32(counts.count), to: &bytes)
        append(UInt32(0), to: &bytes)
        append(UInt32(latencies.numberOfSignificantValueDigits.rawValue), to: &bytes)
        append(latencies.lowestDiscernibleValue, to: &bytes)
        append(latencies.highestTrackableValue, to: &bytes)
        append(Double(1).bitPattern, to: &bytes)
        return bytes + counts
    }

    /// As the log has it: a head, and the other form as a zlib stream.
    static func compressed(_ encoded: [UInt8]) -> [UInt8] {
        var stream: [UInt8] = [0x78, 0x01]
        var offset = 0
        repeat {
            let part = encoded[offset..<min(encoded.count, offset + 65535)]
            offset += part.count
            let count = UInt16(part.count)
            stream.append(offset == encoded.count ? 1 : 0)
            // RFC 1951 §3.2.4: the length and its complement, the low byte first.
            append(count.byteSwapped, to: &stream)
            append((~count).byteSwapped, to: &stream)
            stream += part
        } while offset < encoded.count
        append(adler32(encoded), to: &stream)
        var bytes: [UInt8] = []
        append(UInt32(0x1C84_9314), to: &bytes)
        append(UInt32(stream.count), to: &bytes)
        return bytes + stream
    }

    /// RFC 1950 §8.2.
    static func adler32(_ bytes: [UInt8]) -> UInt32 {
        var low: UInt32 = 1
        var high: UInt32 = 0
        for byte in bytes {
            low = (low + UInt32(byte)) % 65521
            high = (high + low) % 65521
        }
        return high << 16 | low
    }

    /// The high byte first.
    private static func append(_ number: some FixedWidthInteger, to bytes: inout [UInt8]) {
        for shift in stride(from: number.bitWidth - 8, through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: number >> shift))
        }
    }

    /// Zigzag, then seven bits a byte, the low ones first; a ninth byte has all eight.
    private static func append(_ number: Int64, to bytes: inout [UInt8]) {
        var rest = UInt64(bitPattern: number << 1 ^ number >> 63)
        for _ in 0..<8 {
            guard rest > 0x7F else { break }
            bytes.append(UInt8(rest & 0x7F) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }
}
