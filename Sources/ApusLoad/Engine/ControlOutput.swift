// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// Control frames that wait to be sent, before the next message.
///
/// They are few: of a server that pings and does not read, only the last pings are answered, RFC
/// 6455 §5.5.3.
final class ControlOutput {
    /// With more bytes waiting, a pong takes the place of those that wait.
    static let waitingByteCountMax = 1024

    /// What the kernel left of frames that it was given, and so perhaps not the beginning of one.
    private var rest: [UInt8] = []
    private var pongs: [UInt8] = []
    /// Frames that must not be left out: a Close, and the pings of upload.
    private var others: [UInt8] = []

    var bytes: [UInt8] { rest + pongs + others }

    func append(pong frame: [UInt8]) {
        if rest.count + pongs.count > Self.waitingByteCountMax { pongs = [] }
        pongs += frame
    }

    func append(_ frame: [UInt8]) {
        others += frame
    }

    /// Puts back what the kernel did not take, before all that has come since.
    func putBack(_ bytes: [UInt8]) {
        precondition(rest.isEmpty, "there is a rest already")
        rest = bytes
        if rest.count > Self.waitingByteCountMax { pongs = [] }
    }
}
