// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCommandLine
import CApusSystem

/// A process of a run as the one that started it sees it.
final class ProcessHandle {
    private(set) var openConnections = 0
    private(set) var messages: UInt64 = 0
    /// All its connections are open or have failed.
    private(set) var isConnected = false
    private(set) var report: LoadReport?

    /// Its own until it is reaped, which is when this goes.
    let number: Int32
    /// Stands for the process, whatever becomes of its number.
    private let process: Int32
    private let instructions: PipeEnd
    private let messagesFrom: PipeEnd
    private var lines = LineBuffer()

    /// Starts one and gives it its plan.
    init(_ plan: LoadPlan) throws(CommandFailure) {
        var pipe = apus_pipe()
        number = unsafe apus_process_start_again("apus-load", LoadProcess.argument, &pipe)
        guard number > 0 else { throw Self.refused(error: number) }
        instructions = PipeEnd(descriptor: pipe.writer)
        messagesFrom = PipeEnd(descriptor: pipe.reader)
        process = apus_process_open(number)
        guard process >= 0 else {
            apus_process_discard(number)
            throw Self.refused(error: process)
        }
        tell(.carryOut(plan))
    }

    private static func refused(error: Int32) -> CommandFailure {
        CommandFailure(
            exitCode: 71,
            message: "another process cannot be started (error \(-error));"
                + " use fewer --processes or raise the limit of processes (ulimit -u)"
        )
    }

    deinit {
        guard process >= 0 else { return }
        // Ends one that has not reported; others end by themselves.
        if report == nil { _ = apus_process_signal(process, 9) }
        _ = end()
        apus_descriptor_close(process)
    }

    /// Readable when it says something or ends.
    var descriptor: Int32 { messagesFrom.descriptor }

    /// One that does not listen has ended, and is found so where its messages are read.
    func tell(_ instruction: Instruction) {
        do {
            _ = instructions.write(try MessageLine.encode(instruction))
        } catch {
            preconditionFailure("\(instruction) cannot be told: \(error)")
        }
    }

    /// Reads what it says; throws if it cannot carry out its plan, or has died.
    func listen() throws(CommandFailure) {
        guard let bytes = messagesFrom.read() else {
            throw CommandFailure(exitCode: 70, message: "a process of the load \(end())")
        }
        lines.append(bytes)
        while let line = lines.next() {
            let message: ProcessMessage
            do {
                message = try MessageLine.decode(line)
            } catch {
                throw CommandFailure(
                    exitCode: 70,
                    message: "a process of the load cannot be understood: \(error)"
                )
            }
            try take(message)
        }
    }

    private func take(_ message: ProcessMessage) throws(CommandFailure) {
        switch message {
        case .progress(let openConnections, let messages):
            self.openConnections = openConnections
            self.messages = messages
        case .connected(let openConnections):
            self.openConnections = openConnections
            isConnected = true
        case .report(let report):
            self.report = report
            isConnected = true
        case .failure(let failure):
            throw CommandFailure(exitCode: failure.kind.exitCode, message: failure.reason)
        }
    }

    /// Waits for its end, which is near, and says how it came.
    private func end() -> String {
        var entry = apus_poll_readable(process)
        _ = unsafe apus_poll(&entry, 1, 5_000_000_000)
        var end = apus_process_end()
        guard unsafe apus_process_reap(process, &end) == 1 else { return "does not answer" }
        return end.is_signal
            ? "was ended by signal \(end.value)" : "ended by itself with \(end.value)"
    }
}

extension LoadFailure.Kind {
    /// As sysexits have it.
    var exitCode: Int32 {
        switch self {
        case .usage: 64
        case .unavailable: 69
        case .system: 71
        }
    }
}
