// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import CApusSystem

/// What a worker tells its supervisor, once: that it accepts, or why it cannot.
package enum ReadinessReport: Equatable, Sendable {
    case ready

    /// The code that the worker is about to exit with, and one line: what, why, how to cure it.
    case failed(exitCode: Int32, line: String)
}

/// The worker's end of its ready pipe.
package final class ReadinessReporter {
    private var descriptor: Int32?

    init(descriptor: Int32) {
        self.descriptor = descriptor
    }

    /// Tells that this worker accepts connections; only the first report counts.
    package func reportReady() {
        send(.ready)
    }

    /// Tells why this worker cannot serve; only the first report counts.
    ///
    /// The worker should then return `exitCode`. Line ends become spaces, and what is beyond 510
    /// bytes is cut.
    package func reportFailure(exitCode: Int32, line: String) {
        send(.failed(exitCode: exitCode, line: line))
    }

    private func send(_ report: ReadinessReport) {
        guard let descriptor else { return }
        self.descriptor = nil
        let bytes = report.bytes
        unsafe bytes.withUnsafeBytes { buffer in
            // The one error of an empty pipe is that its reader is gone, and the worker learns that
            // from the lifeline.
            _ = unsafe apus_descriptor_write(descriptor, buffer.baseAddress, buffer.count)
        }
        apus_descriptor_close(descriptor)
    }
}

/// The pipe between them, as the supervisor sees it.
struct ReadinessPipe {
    enum Reading: Equatable {
        case nothing
        case report(ReadinessReport)

        /// The worker has ended, or closed the pipe, without a report.
        case ended
    }

    let reader: Int32
    let writer: Int32

    init() throws(SupervisorError) {
        var pipe = apus_pipe()
        try SupervisorError.check("pipe2", unsafe apus_pipe_open(&pipe))
        reader = pipe.reader
        writer = pipe.writer
    }

    /// Reads what has come, without waiting.
    static func read(_ reader: Int32) -> Reading {
        var bytes = [UInt8](repeating: 0, count: ReadinessReport.byteCountMax)
        let count = unsafe bytes.withUnsafeMutableBytes { buffer in
            unsafe apus_descriptor_read(reader, buffer.baseAddress, buffer.count)
        }
        guard count >= 0 else { return .nothing }
        guard let report = ReadinessReport(bytes: bytes.prefix(Int(count))) else { return .ended }
        return .report(report)
    }
}

extension ReadinessReport {
    /// A report is written as a whole and read as a whole: this is far below `PIPE_BUF`.
    package static let byteCountMax = 512

    private static let readyByte: UInt8 = 1
    private static let failedByte: UInt8 = 2

    package var bytes: [UInt8] {
        switch self {
        case .ready:
            return [Self.readyByte]
        case .failed(let exitCode, let line):
            let text = line.utf8.prefix(Self.byteCountMax - 2).map { byte in
                byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r") ? UInt8(ascii: " ") : byte
            }
            return [Self.failedByte, UInt8(truncatingIfNeeded: exitCode)] + text
        }
    }

    /// Nil where the bytes are none of a report.
    package init?(bytes: ArraySlice<UInt8>) {
        if bytes.elementsEqual([Self.readyByte]) {
            self = .ready
        } else if bytes.count >= 2, bytes.first == Self.failedByte {
            self = .failed(
                exitCode: Int32(bytes[bytes.startIndex + 1]),
                line: String(decoding: bytes.dropFirst(2), as: UTF8.self)
            )
        } else {
            return nil
        }
    }
}
