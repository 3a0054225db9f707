// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Apus
import ApusProtocol
import Glibc
import Logging

/// Stores every message in a file of its own, however large it is, and answers with the file's
/// name, its size and its Adler-32 checksum.
///
/// Shows `assembleFragments = false`: a message is written as it comes, in parts of at most 64 KiB,
/// so memory stays the same. Writing a part blocks the worker's loop, mostly for the time of a copy
/// into the page cache; where the disk is behind, longer, and then TCP makes the senders wait.
///
/// `swift run UploadToFile FOLDER`
@main
enum UploadToFile {
    static func main() throws {
        LoggingSystem.bootstrap(StreamLogHandler.standardOutput)
        guard let folder = CommandLine.arguments.dropFirst().first else {
            print("usage: UploadToFile FOLDER")
            exit(64)
        }
        var configuration = ServerConfiguration()
        configuration.assembleFragments = false
        configuration.maxReceivedFrameSize = 1 << 40
        configuration.maxReceivedMessageSize = 1 << 40
        configuration.maxFragments = 1 << 31
        let server = WebSocketServer(httpServer: HTTPServer(port: 0), configuration: configuration)

        server.onRequest { request in
            let connection = try request.accept()
            var upload: Upload?
            // What this throws, with a full disk for example, closes the connection with 1011.
            connection.onFrame { part in
                if part.isFirst { upload = try Upload(in: folder) }
                try part.withBytes { try upload?.append($0) }
                guard part.isLast, let whole = upload else { return }
                connection.sendUTF(try whole.finish())
                upload = nil
            }
            // Whatever ended it: of a message that has not come to its end nothing stays.
            connection.onClose { _, _ in upload?.discard() }
        }

        // A worker that cannot store anything does not start.
        server.onWorkerStart { _ in try SystemError.check(unsafe access(folder, W_OK)) }

        do {
            exit(try server.run(workers: 2) { server.logger.notice("\($0)") })
        } catch {
            print(error)
            exit(error.code.exitCode)
        }
    }
}
