// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// What was asked for, as programs read it; each key is the flag of that name.
struct PlanFigures: Codable, Equatable {
    var url: String
    var mode: LoadPlan.Mode
    var connections: Int
    var inflight: Int
    var size: String
    var type: String
    /// Nil where an older version has printed it, which compressed nothing.
    var compression: CompressionMode?
    var durationSeconds: Double
    var warmUpSeconds: Double
    var timeoutSeconds: Double
    var rate: Double?
    var arrivals: LoadPlan.Arrivals?
    var connectRate: Double?
    var sourceAddresses: Int
    var processes: Int
    var subprotocols: [String]
    var origin: String?
    /// Names alone: values may be secrets.
    var headers: [String]
    var seed: UInt64

    enum CodingKeys: String, CodingKey {
        case url, mode, connections, inflight, size, type, compression
        case durationSeconds = "duration_seconds"
        case warmUpSeconds = "warm_up_seconds"
        case timeoutSeconds = "timeout_seconds"
        case rate, arrivals
        case connectRate = "connect_rate"
        case sourceAddresses = "source_addresses"
        case processes, subprotocols, origin, headers, seed
    }

    init(_ plan: LoadPlan, processes: Int) {
        url = plan.url
        mode = plan.mode
        connections = plan.connections
        inflight = plan.inflight
        size = SizeRange(plan.sizes).description
        type = plan.isText ? MessageType.text.rawValue : MessageType.binary.rawValue
        compression = plan.isCompressed ? .shared : .off
        durationSeconds = Double(plan.durationNanoseconds) / 1e9
        warmUpSeconds = Double(plan.warmUpNanoseconds) / 1e9
        timeoutSeconds = Double(plan.timeoutNanoseconds) / 1e9
        rate = plan.rate
        arrivals = plan.rate == nil ? nil : plan.arrivals
        connectRate = plan.connectRate
        sourceAddresses = plan.sourceAddresses.count
        self.processes = processes
        subprotocols = plan.subprotocols
        origin = plan.origin
        headers = plan.headers.compactMap(\.first)
        seed = plan.seed
    }

    /// In one line, for people.
    var sentence: String {
        var parts = ["\(mode.rawValue): \(Figures.plural(connections, "connection"))"]
        if let rate, let arrivals {
            parts.append("\(Figures.number(rate)) messages/s (\(arrivals.rawValue))")
        } else if mode == .echo || mode == .pingpong {
            parts.append("\(inflight) in flight on each")
        }
        if mode != .idle {
            parts.append("\(sizeInWords) \(type)")
            if let compression, compression != .off { parts.append("compressed") }
        }
        parts.append("\(Figures.number(durationSeconds)) s")
        if warmUpSeconds > 0 { parts.append("warm-up \(Figures.number(warmUpSeconds)) s") }
        if processes > 1 { parts.append("\(processes) processes") }
        return parts.joined(separator: ", ")
    }

    /// `1KiB-5000` as `1 KiB to 5000 B`.
    private var sizeInWords: String {
        let ends = size.split(separator: "-").map { end in
            let number = end.prefix { $0.isNumber }
            return "\(number) \(number == end ? "B" : end.dropFirst(number.count))"
        }
        return ends.joined(separator: " to ")
    }
}
