// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Apus
import ApusProtocol
import Glibc
import Logging

/// A chat with a room for each path below `/rooms/`, for its own pages and for programs.
///
/// `/rooms` tells which rooms there are. Pages of other sites get 403, other paths 404, and clients
/// that do not speak `chat` 400.
///
/// With one worker: each has memory, and so rooms, of its own, and what reaches those of the others
/// (`broadcast`) reaches everybody. One is enough for many thousands who type.
///
/// `swift run ChatRooms`
@main
enum ChatRooms {
    @WorkerActor private static var rooms: [String: [WebSocketConnection]] = [:]

    static func main() throws {
        LoggingSystem.bootstrap(StreamLogHandler.standardOutput)
        var configuration = ServerConfiguration()
        configuration.originPolicy = .sameOrigin
        let server = WebSocketServer(httpServer: HTTPServer(port: 0), configuration: configuration)
        let router = WebSocketRouter(server: server)
        router.mount("/rooms/:room", protocol: "chat") { request in
            guard let room = request.parameters["room"] else { return }
            try join(room, request.accept())
        }
        router.mount("/rooms") { request in
            let connection = try request.accept()
            connection.sendUTF(rooms.keys.sorted().joined(separator: "\n"))
            connection.close()
        }
        exit(try server.run(workers: 1) { server.logger.notice("\($0)") })
    }

    /// Whatever one says in a room, all in it hear.
    @WorkerActor
    private static func join(_ room: String, _ connection: WebSocketConnection) {
        rooms[room, default: []].append(connection)
        connection.onMessage { message in
            for member in rooms[room, default: []] { member.send(message) }
        }
        connection.onClose { _, _ in
            rooms[room]?.removeAll { $0 === connection }
            if rooms[room]?.isEmpty == true { rooms[room] = nil }
        }
    }
}
