// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import CZlib

/// Why a compressed message cannot be inflated.
package enum InflationDefect: Hashable, Sendable {
    /// It is no DEFLATE stream, refers to what never was, or ends within.
    case corrupt
    /// It is larger than allowed.
    case tooBig
    /// It is larger than allowed for what came of it.
    case overRatio
}

/// Inflates messages of permessage-deflate, RFC 7692 §7.2.2, in chunks, one message at a time.
///
/// Limits are checked while it inflates: not one byte more than the limit comes out, however little
/// went in. Between two messages it remembers nothing: what one connection sent cannot reach
/// another's.
@safe
package final class Inflater {
    /// How large a message may become.
    package struct Limits: Hashable, Sendable {
        package var byteCountMax: Int
        /// How many times larger than what came of it; nil: it does not matter.
        ///
        /// What is not larger than ``ratioFreeByteCount`` may have any ratio.
        package var ratioMax: Int?

        package static let ratioFreeByteCount = 65_536

        package init(byteCountMax: Int, ratioMax: Int? = nil) {
            // One more is asked for, to see that there are more.
            self.byteCountMax = min(byteCountMax, .max - 1)
            self.ratioMax = ratioMax
        }
    }

    private let stream: UnsafeMutablePointer<z_stream>
    private var limits = Limits(byteCountMax: 0)
    private var inputByteCount = 0
    private var outputByteCount = 0
    /// Whether the last block of a DEFLATE stream has come; another one may follow it.
    private var hasEnded = false

    /// How many of the last bytes are left where nobody wanted more; nil where all were inflated.
    package private(set) var restByteCount: Int?

    package init() {
        unsafe stream = .allocate(capacity: 1)
        unsafe stream.initialize(to: z_stream())
        let result = unsafe apus_inflate_init(stream)
        precondition(result == Z_OK, "no inflater: zlib says \(result)")
    }

    deinit {
        unsafe inflateEnd(stream)
        unsafe stream.deallocate()
    }

    /// How many bytes have come out of this message.
    package var byteCount: Int { outputByteCount }

    /// Begins a message, which may refer to the bytes of `window`, at most 32 KiB, and to no others.
    package func begin(within limits: Limits, window: UnsafeRawBufferPointer? = nil) {
        self.limits = limits
        (inputByteCount, outputByteCount, hasEnded) = (0, 0, false)
        restByteCount = nil
        var result = unsafe inflateReset(stream)
        if let window = unsafe window, window.count > 0 {
            let bytes = unsafe window.bindMemory(to: UInt8.self)
            result = unsafe inflateSetDictionary(stream, bytes.baseAddress, UInt32(bytes.count))
        }
        precondition(result == Z_OK, "an inflater cannot begin: zlib says \(result)")
    }

    /// Inflates the next bytes of the message, and hands out what that makes.
    ///
    /// `deliver` gets a part that lies in `chunk`, and whether the message ends with it; only then
    /// may it be empty. It says whether to go on; if not, give those again that are left
    /// (``restByteCount``), which may be none, to go on.
    package func inflate(
        _ bytes: UnsafeRawBufferPointer,
        isLast: Bool,
        by chunk: UnsafeMutableRawBufferPointer,
        deliver: (UnsafeRawBufferPointer, _ isLast: Bool) -> Bool
    ) -> InflationDefect? {
        inputByteCount += bytes.count
        var filled = 0
        let wasStopped = restByteCount != nil
        restByteCount = nil
        // More may come out of what went in before nobody wanted more.
        if bytes.count > 0 || wasStopped && !hasEnded {
            let defect = unsafe pump(bytes, into: chunk, &filled) { unsafe deliver($0, false) }
            if let defect { return defect }
            if let restByteCount {
                inputByteCount -= restByteCount
                return nil
            }
        }
        if isLast, !hasEnded, inputByteCount > 0 {
            let byteCount = outputByteCount
            let defect = unsafe Deflater.tail.withUnsafeBytes { tail in
                unsafe pump(tail, into: chunk, &filled) { unsafe deliver($0, false) }
            }
            if let defect { return defect }
            // It ends an empty block, and nothing else. Bit 7: next is the header of a block.
            guard outputByteCount == byteCount, unsafe stream.pointee.data_type & 128 != 0 else {
                return .corrupt
            }
        }
        guard filled > 0 || isLast else { return nil }
        _ = unsafe deliver(UnsafeRawBufferPointer(rebasing: chunk[..<filled]), isLast)
        return nil
    }

    /// Inflates until the input is used up or `isFull` wants no more; what `chunk` holds then is
    /// handed out by the caller.
    private func pump(
        _ input: UnsafeRawBufferPointer,
        into chunk: UnsafeMutableRawBufferPointer,
        _ filled: inout Int,
        isFull: (UnsafeRawBufferPointer) -> Bool
    ) -> InflationDefect? {
        let source = unsafe input.bindMemory(to: UInt8.self)
        let target = unsafe chunk.bindMemory(to: UInt8.self)
        unsafe stream.pointee.next_in = unsafe UnsafeMutablePointer(mutating: source.baseAddress)
        var restCount = input.count
        unsafe stream.pointee.avail_in = 0
        defer {
            // What was lent for the call is not pointed to any more.
            unsafe stream.pointee.next_in = nil
            unsafe stream.pointee.next_out = nil
        }
        while true {
            // A block with BFINAL set ends a stream, not the message, RFC 7692 §7.2.3.4 and 7.2.3.5:
            // what follows goes on with the same window.
            if hasEnded {
                guard unsafe inflateResetKeep(stream) == Z_OK else { return .corrupt }
                hasEnded = false
            }
            // It counts what it gets at once in 32 bits.
            if unsafe stream.pointee.avail_in == 0 {
                unsafe stream.pointee.avail_in = UInt32(min(restCount, 1 << 30))
                restCount -= min(restCount, 1 << 30)
            }
            // One byte beyond the limit tells that there are more.
            let room = min(chunk.count - filled, limits.byteCountMax - outputByteCount + 1)
            unsafe stream.pointee.next_out = target.baseAddress.map { unsafe $0 + filled }
            unsafe stream.pointee.avail_out = UInt32(room)
            let result = unsafe CZlib.inflate(stream, Z_SYNC_FLUSH)
            let left = unsafe Int(stream.pointee.avail_out)
            filled += room - left
            outputByteCount += room - left
            if let defect = excess { return defect }
            switch result {
            case Z_STREAM_END: hasEnded = true
            case Z_OK, Z_BUF_ERROR: break
            default: return .corrupt
            }
            if filled == chunk.count {
                filled = 0
                guard unsafe isFull(UnsafeRawBufferPointer(chunk)) else {
                    restByteCount = unsafe Int(stream.pointee.avail_in) + restCount
                    return nil
                }
                // There may be more to come out of what went in.
                guard hasEnded else { continue }
            }
            if unsafe stream.pointee.avail_in == 0, restCount == 0 { return nil }
        }
    }

    /// The limit that is passed.
    private var excess: InflationDefect? {
        if outputByteCount > limits.byteCountMax { return .tooBig }
        if let ratioMax = limits.ratioMax, outputByteCount > Limits.ratioFreeByteCount,
            outputByteCount / ratioMax > inputByteCount
        {
            return .overRatio
        }
        return nil
    }
}
