// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// What a library compresses with: raw DEFLATE, RFC 1951.
///
/// It counts in 32 bits, and so gets no more at once than that.
protocol DeflateStream {
    /// Forgets what it has compressed.
    func reset()

    /// Compresses as much as there is room for; `isLast`: all that it was given is to come out.
    ///
    /// Room that is left over tells that nothing is held back.
    func deflate(
        _ input: UnsafeRawBufferPointer,
        into room: UnsafeMutableRawBufferPointer,
        isLast: Bool
    ) -> (taken: Int, made: Int)
}
