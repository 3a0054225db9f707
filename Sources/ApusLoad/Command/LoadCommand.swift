// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCommandLine
import ApusProtocol
import ArgumentParser

struct LoadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apus-load",
        abstract: "Load a WebSocket server and measure what it does.",
        usage: "apus-load [<options>] <url>\napus-load compare <a.json> <b.json>",
        discussion: """
            Modes: echo sends messages that the server returns; idle holds connections; churn \
            connects, echoes once and closes, again and again; fanout has the first connection send \
            and all receive; upload only sends; pingpong sends pings. Every reply is checked.

            Without --rate each connection sends when a reply has come (closed model). With it \
            messages are due at fixed times, whatever the server does (open model), and latency \
            counts from the time that a message was due.

            Sizes are bytes or have KiB, MiB or GiB behind them; times have ms, s or min. The exit \
            code is 0 if nothing was lost, duplicated, reordered, corrupted, failed or refused.
            """,
        version: "0.1.0"
    )

    @Argument(help: "Where to connect: ws://host:port/path, or wss://.")
    var url: String

    @Option(help: "What to do.")
    var mode = LoadPlan.Mode.echo

    @Option(help: ArgumentHelp("How many connections.", valueName: "count"))
    var connections = 100

    @Option(help: ArgumentHelp("Messages under way on each connection.", valueName: "count"))
    var inflight = 1

    @Option(help: ArgumentHelp("Bytes of a message: 20, 1KiB or 20-1000.", valueName: "size"))
    var size = SizeRange(20...20)

    @Flag(help: "What messages are.")
    var type = MessageType.text

    @Option(help: "Compress messages: off or shared (each for itself); they look like JSON.")
    var compression = CompressionMode.off

    @Option(help: ArgumentHelp("How long is measured.", valueName: "time"))
    var duration = TimeSpan(.seconds(10))

    @Option(help: ArgumentHelp("How long is loaded before that.", valueName: "time"))
    var warmUp = TimeSpan(.seconds(1))

    @Option(
        help: ArgumentHelp(
            "Messages a second over all connections: the open model.",
            valueName: "rate"
        )
    )
    var rate: Double?

    @Option(help: "When messages of the open model are due: evenly, or at random.")
    var arrivals = LoadPlan.Arrivals.constant

    @Option(help: ArgumentHelp("The most connections opened a second.", valueName: "rate"))
    var connectRate: Double?

    @Option(
        help: ArgumentHelp("How long an upgrade or a reply may take.", valueName: "time")
    )
    var timeout = TimeSpan(.seconds(10))

    @Option(
        help: ArgumentHelp(
            "Addresses to connect from, in turn: 127.0.0.2-127.0.0.250, or a list.",
            valueName: "list"
        )
    )
    var sourceAddresses = SourceAddresses(addresses: [])

    @Option(help: ArgumentHelp("How many processes make the load.", valueName: "count"))
    var processes = 1

    @Option(help: ArgumentHelp("Offer a subprotocol; may be repeated.", valueName: "name"))
    var subprotocol: [String] = []

    @Option(help: "Send this Origin.")
    var origin: String?

    @Option(
        help: ArgumentHelp("Send this header field; may be repeated.", valueName: "name:value")
    )
    var header: [RequestField] = []

    @Option(
        help: ArgumentHelp(
            "Measure processor time and memory of this process and all below it.",
            valueName: "pid"
        )
    )
    var serverPid: Int32?

    @Flag(help: "Print the result as JSON.")
    var json = false

    @Option(help: ArgumentHelp("Write the latencies as an HdrHistogram log.", valueName: "file"))
    var hdr: String?

    @Option(help: ArgumentHelp("Draw the latencies.", valueName: "file"))
    var svg: String?

    @Option(help: ArgumentHelp("Draw other sizes, times and masks.", valueName: "number"))
    var seed: UInt64 = 1

    @Flag(help: "Take any certificate of a wss:// server, and do not check whose it is.")
    var insecure = false

    func validate() throws {
        if let objection = plan.objection(processes: processes) {
            throw ValidationError(objection)
        }
        if let serverPid, serverPid < 1 {
            throw ValidationError("--server-pid is \(serverPid), which is no process")
        }
    }

    func run() throws {
        let plan = plan
        if let serverPid, !ProcessTree(root: serverPid).isAlive {
            throw CommandFailure(
                exitCode: 69,
                message: "--server-pid \(serverPid): there is no such process; give the number of"
                    + " the server's main process"
            )
        }
        if let shortage = Preflight.ofThisMachine().shortage(plan, processes: processes) {
            throw CommandFailure(exitCode: 71, message: shortage)
        }
        let hdrFile = try hdr.map(OutputFile.init)
        let svgFile = try svg.map(OutputFile.init)
        let coordinator = LoadCoordinator(
            plan: plan,
            processes: processes,
            serverNumber: serverPid
        )
        let outcome = try coordinator.run()
        let result = LoadResult(outcome, of: plan)
        // Before the files, which may fail: it cannot be had again.
        StandardOutput.write(json ? try result.json() : ResultTable(result).text)
        try hdrFile?.write(HdrLog(outcome, plan).text)
        try svgFile?.write(LatencyPlot(outcome, result).svg)
        let exitCode = result.exitCode
        if exitCode != 0 { throw CommandFailure(exitCode: exitCode, message: "") }
    }

    private var plan: LoadPlan {
        var plan = LoadPlan(url: url)
        plan.mode = mode
        plan.isText = type == .text
        plan.isCompressed = compression == .shared
        plan.sizes = size.bytes
        plan.connections = connections
        plan.inflight = inflight
        plan.rate = rate
        plan.arrivals = arrivals
        plan.connectRate = connectRate
        plan.warmUpNanoseconds = warmUp.interval.nanoseconds
        plan.durationNanoseconds = duration.interval.nanoseconds
        plan.timeoutNanoseconds = timeout.interval.nanoseconds
        plan.sourceAddresses = sourceAddresses.addresses
        plan.subprotocols = subprotocol
        plan.origin = origin
        plan.headers = header.map { [$0.name, $0.value] }
        plan.seed = seed
        plan.isInsecure = insecure
        return plan
    }
}

/// What messages are.
enum MessageType: String, EnumerableFlag {
    case text
    case binary
}

/// How messages are compressed, as `apus serve` has it.
enum CompressionMode: String, ExpressibleByArgument, Codable {
    case off
    case shared
}

extension LoadPlan.Mode: ExpressibleByArgument {}
extension LoadPlan.Arrivals: ExpressibleByArgument {}
