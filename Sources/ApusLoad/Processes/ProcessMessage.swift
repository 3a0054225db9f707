// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials

/// What a process of a run tells the one that started it; a line of JSON each.
enum ProcessMessage: Codable {
    case progress(openConnections: Int, messages: UInt64)
    case connected(openConnections: Int)
    case report(LoadReport)
    case failure(LoadFailure)
}

/// What it is told; a line of JSON each.
enum Instruction: Codable {
    case carryOut(LoadPlan)
    /// When the warm-up begins, by `CLOCK_MONOTONIC` in nanoseconds.
    case start(at: UInt64)
    /// Close the connections, once what is under way has come.
    case close
    /// End now, with what was measured so far.
    case end
}

enum MessageLine {
    static func encode(_ message: some Encodable) throws -> [UInt8] {
        try [UInt8](JSONEncoder().encode(message)) + [UInt8(ascii: "\n")]
    }

    static func decode<Message: Decodable>(_ line: ArraySlice<UInt8>) throws -> Message {
        try JSONDecoder().decode(Message.self, from: Data(line))
    }
}

/// Bytes that come in pieces, given out as lines.
struct LineBuffer {
    private var bytes: [UInt8] = []
    /// Before it no line ends.
    private var searched = 0

    mutating func append(_ more: [UInt8]) {
        bytes += more
    }

    /// Whether there is a whole line.
    var hasLine: Bool { bytes[searched...].contains(UInt8(ascii: "\n")) }

    /// The next whole line, without its end.
    mutating func next() -> ArraySlice<UInt8>? {
        guard let end = bytes[searched...].firstIndex(of: UInt8(ascii: "\n")) else {
            searched = bytes.count
            return nil
        }
        let line = bytes[..<end]
        bytes = Array(bytes[(end + 1)...])
        searched = 0
        return line
    }
}
