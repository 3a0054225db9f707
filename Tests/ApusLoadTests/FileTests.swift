// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCommandLine
import ArgumentParser
import FoundationEssentials
import Testing

@testable import ApusLoad

@Suite struct `Files of apus-load` {
    private let folder = FileManager.default.temporaryDirectory.path + "/apus-load-\(UUID())"

    @Test(arguments: ["--hdr", "--svg"])
    func `that cannot be written are refused before the run, in the system's words`(
        flag: String
    ) throws {
        let command = try LoadCommand.parse(["ws://127.0.0.1:1/", flag, "\(folder)/latencies"])
        let failure = try #require(throws: CommandFailure.self) { try command.run() }
        #expect(failure.exitCode == 73)
        #expect(
            failure.message == "cannot write \(folder)/latencies: No such file or directory"
        )
    }

    @Test func `that can be are as they were until they are written`() throws {
        try Data("what was there before".utf8).write(to: URL(filePath: folder))
        defer { #expect(throws: Never.self) { try FileManager.default.removeItem(atPath: folder) } }
        let file = try OutputFile(folder)
        #expect(SystemFile.text(folder) == "what was there before")
        try file.write("new")
        #expect(SystemFile.text(folder) == "new")
    }

    @Test func `that take nothing are named`() throws {
        let file = try OutputFile("/dev/full")
        let failure = #expect(throws: CommandFailure.self) { try file.write("new") }
        #expect(failure?.message == "cannot write /dev/full: No space left on device")
    }

    @Test func `that cannot be compared are refused in few words`() throws {
        let missing = #expect(throws: CommandFailure.self) { _ = try CompareCommand.read(folder) }
        #expect(missing?.message == "cannot read \(folder): No such file or directory")
        try Data("{}".utf8).write(to: URL(filePath: folder))
        defer { #expect(throws: Never.self) { try FileManager.default.removeItem(atPath: folder) } }
        let empty = #expect(throws: CommandFailure.self) { _ = try CompareCommand.read(folder) }
        #expect(
            empty?.message == "\(folder) is not what apus-load --json printed: it has no messages"
        )
    }
}
