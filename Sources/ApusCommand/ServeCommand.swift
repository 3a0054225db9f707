// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Apus
import ApusCommandLine
import ApusProtocol
import ArgumentParser
import Logging

struct ServeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Serve WebSocket connections with several worker processes.",
        discussion: """
            TERM and INT drain: no connection is accepted, every open one is closed with 1001; a \
            second one ends at once. USR1: every worker logs its counters. Sizes are bytes or have \
            KiB, MiB or GiB behind them; times have ms, s or min.
            """
    )

    @Option(help: "The address, or name, to listen on.")
    var host = "127.0.0.1"

    @Option(help: "The port to listen on; 0: any free one.")
    var port: UInt16 = 3001

    @Option(help: ArgumentHelp("Listen on a Unix socket as well.", valueName: "path"))
    var unix: String?

    @OptionGroup(title: "TLS")
    var tls: TLSOptions

    @Option(help: "How many worker processes; by default one for each core.")
    var workers: Int?

    @Option(help: "What to drive sockets with: io_uring or auto.")
    var backend = Backend.auto

    @Option(help: "What to serve: \(App.allCases.map(\.rawValue).joined(separator: ", ")).")
    var app = App.example

    @Option(
        help: ArgumentHelp(
            "Whose pages may connect: any, or a list of same-origin, https://*.example.com ….",
            valueName: "list"
        )
    )
    var origins = OriginList.any

    @Option(help: ArgumentHelp("The largest frame taken; larger: 1009.", valueName: "size"))
    var maxReceivedFrameSize = ByteSize(1 << 20)

    @Option(help: ArgumentHelp("The largest message taken; larger: 1009.", valueName: "size"))
    var maxReceivedMessageSize = ByteSize(1 << 20)

    @Option(help: ArgumentHelp("The most frames of one message; more: 1008.", valueName: "count"))
    var maxFragments = 16384

    @OptionGroup(title: "Compression")
    var compression: CompressionOptions

    @Option(
        help: ArgumentHelp("The most that waits for a peer; more: 1008.", valueName: "size")
    )
    var maxSendQueue = ByteSize(4 << 20)

    @Option(
        help: ArgumentHelp(
            "The most connections of a worker; more: 503. 0: no limit.",
            valueName: "count"
        )
    )
    var maxConnections = 0

    @Option(
        help: ArgumentHelp(
            "The largest body of an ordinary request; larger: 413.",
            valueName: "size"
        )
    )
    var maxRequestBodySize = ByteSize(1 << 20)

    @Option(
        help: ArgumentHelp(
            "The most that waits to be broadcast by other workers; more: refused.",
            valueName: "size"
        )
    )
    var maxBroadcastBacklog = ByteSize(16 << 20)

    @Option(help: ArgumentHelp("The time for a request and its answer.", valueName: "time"))
    var handshakeTimeout = TimeSpan(.seconds(10))

    @Option(
        help: ArgumentHelp(
            "The time for another request; 0: each answer closes.",
            valueName: "time"
        )
    )
    var httpKeepAliveTimeout = TimeSpan(.seconds(5))

    @Option(help: ArgumentHelp("The silence before a ping; 0: off.", valueName: "time"))
    var keepaliveInterval = TimeSpan(.seconds(20))

    @Option(help: ArgumentHelp("The time to answer that ping.", valueName: "time"))
    var keepaliveGracePeriod = TimeSpan(.seconds(10))

    @Option(help: ArgumentHelp("The time for a closing handshake.", valueName: "time"))
    var closeTimeout = TimeSpan(.seconds(5))

    @Option(
        help: ArgumentHelp(
            "The time broadcasts wait for a worker that takes none.",
            valueName: "time"
        )
    )
    var broadcastGracePeriod = TimeSpan(.seconds(2))

    @Option(help: ArgumentHelp("The time for all connections to close.", valueName: "time"))
    var drainTimeout = TimeSpan(.seconds(10))

    @Option(help: "The least severe level that is logged, to standard error.")
    var logLevel = LogLevel.info

    @Option(help: "How log lines look: text or json.")
    var logFormat = LogFormat.text

    func validate() throws {
        if let workers, workers < 1 {
            throw ValidationError("--workers is \(workers), but at least 1 is needed")
        }
        if let (setting, problem) = configuration.objection {
            // A setting and its flag have the same name: maxFragments, --max-fragments.
            let flag = setting.reduce(into: "--") { flag, letter in
                flag += letter.isUppercase ? "-\(letter.lowercased())" : "\(letter)"
            }
            throw ValidationError("\(flag) \(problem)")
        }
    }

    func run() throws {
        let format = logFormat
        LoggingSystem.bootstrap { format.handler(label: $0) }
        var logger = Logger(label: "apus")
        logger.logLevel = logLevel.level
        let tls = try tls.configuration(host: host, logger: logger)
        var servers = [HTTPServer(host: host, port: port, tls: tls)]
        if let unix { servers.append(HTTPServer(unixPath: unix)) }
        let server = WebSocketServer(httpServers: servers, configuration: configuration)
        server.logger = logger
        app.install(on: server, httpServers: servers)

        let exitCode: Int32
        do {
            // Others wait for this, so it leaves at once.
            exitCode = try server.run(workers: workers) { StandardOutput.write("\($0)") }
        } catch {
            throw CommandFailure(exitCode: error.code.exitCode, message: error.message)
        }
        if exitCode != 0 { throw CommandFailure(exitCode: exitCode, message: "") }
    }

    private var configuration: ServerConfiguration {
        var configuration = ServerConfiguration()
        configuration.originPolicy = origins.policy
        configuration.maxReceivedFrameSize = maxReceivedFrameSize.byteCount
        configuration.maxReceivedMessageSize = maxReceivedMessageSize.byteCount
        configuration.maxFragments = maxFragments
        configuration.compression = compression.configuration
        configuration.maxSendQueue = maxSendQueue.byteCount
        configuration.maxConnections = maxConnections
        configuration.maxRequestBodySize = maxRequestBodySize.byteCount
        configuration.maxBroadcastBacklog = maxBroadcastBacklog.byteCount
        configuration.broadcastGracePeriod = broadcastGracePeriod.interval
        configuration.handshakeTimeout = handshakeTimeout.interval
        configuration.httpKeepAliveTimeout = httpKeepAliveTimeout.intervalUnlessZero
        configuration.keepaliveInterval = keepaliveInterval.intervalUnlessZero
        configuration.keepaliveGracePeriod = keepaliveGracePeriod.interval
        configuration.closeTimeout = closeTimeout.interval
        configuration.drainTimeout = drainTimeout.interval
        return configuration
    }
}

/// What drives the sockets.
enum Backend: String, ExpressibleByArgument {
    case auto
    case ioUring = "io_uring"
}
