// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCommandLine
import CApusSystem
import Glibc

/// A file to be written anew, opened long before: that it cannot be is known before the work.
@safe
final class OutputFile {
    private let path: String
    private let descriptor: Int32

    init(_ path: String) throws(CommandFailure) {
        self.path = path
        // What it holds stays until there is something to take its place.
        descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw Self.failure(path) }
    }

    deinit {
        if descriptor >= 0 { apus_descriptor_close(descriptor) }
    }

    func write(_ text: String) throws(CommandFailure) {
        // Pipes and devices have no length, and refuse.
        _ = ftruncate(descriptor, 0)
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            // All of the bytes that are left.
            let count = unsafe rest.withUnsafeBytes { buffer in
                unsafe apus_descriptor_write(descriptor, buffer.baseAddress, buffer.count)
            }
            guard count > 0 else { throw Self.failure(path) }
            rest = rest.dropFirst(Int(count))
        }
    }

    private static func failure(_ path: String) -> CommandFailure {
        CommandFailure(exitCode: 73, message: "cannot write \(path): \(SystemFile.latestError)")
    }
}
