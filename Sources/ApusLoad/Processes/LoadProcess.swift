// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCommandLine
import CApusSystem
import Glibc

/// A process of a run: takes a plan from standard input, carries it out, and reports to standard
/// output.
final class LoadProcess: LoadObserver {
    /// What this program is started with to be one.
    static let argument = "load-process"

    private let input = PipeEnd(descriptor: STDIN_FILENO)
    private let output = PipeEnd(descriptor: STDOUT_FILENO)
    private var lines = LineBuffer()
    private var start: UInt64?
    private var isToClose = false
    private var isEnded = false

    static func main() {
        // Systems start processes with far fewer descriptors than they may have.
        _ = apus_limit_raise_descriptors()
        let process = LoadProcess()
        guard case .carryOut(let plan)? = process.nextInstruction() else {
            StandardError.write("apus-load: \(argument) is for apus-load itself\n")
            exit(64)
        }
        do {
            process.tell(.report(try runLoad(plan, observer: process)))
        } catch {
            process.tell(.failure(error))
        }
        exit(0)
    }

    func progressed(openConnections: Int, messages: UInt64) {
        tell(.progress(openConnections: openConnections, messages: messages))
    }

    func allConnected(openConnections: Int) {
        tell(.connected(openConnections: openConnections))
    }

    func startTime() -> UInt64? {
        obey()
        return start
    }

    func mayClose() -> Bool {
        obey()
        return isToClose || isEnded
    }

    func isToEnd() -> Bool {
        obey()
        return isEnded
    }

    private func obey() {
        // One read may have brought several instructions.
        while !isEnded, lines.hasLine || input.isReadable() {
            switch nextInstruction() {
            case .start(let time): start = time
            case .close: isToClose = true
            case .end, .carryOut, nil: isEnded = true
            }
        }
    }

    /// Waits for the next instruction; nil when none will come.
    private func nextInstruction() -> Instruction? {
        while true {
            if let line = lines.next() {
                do {
                    return try MessageLine.decode(line)
                } catch {
                    return nil
                }
            }
            guard let bytes = input.read() else { return nil }
            lines.append(bytes)
        }
    }

    private func tell(_ message: ProcessMessage) {
        do {
            // Nobody to tell: the run is to end.
            if !output.write(try MessageLine.encode(message)) { isEnded = true }
        } catch {
            preconditionFailure("\(message) cannot be told: \(error)")
        }
    }
}
