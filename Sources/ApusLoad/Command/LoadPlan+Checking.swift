// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol

extension LoadPlan {
    /// The largest message that is sent.
    static let sizeMax = 64 << 20

    /// What is wrong with a plan for so many processes, for whoever gave the flags; nil: nothing.
    func objection(processes: Int) -> String? {
        do {
            _ = try WebSocketURL(url)
        } catch {
            return "'\(url)' is not the URL of a WebSocket (\(error.rawValue));"
                + " give one like ws://127.0.0.1:3001/"
        }
        return numberObjection(processes: processes) ?? modeObjection(processes: processes)
    }

    private func numberObjection(processes: Int) -> String? {
        if connections < 1 { return "--connections is \(connections), but at least 1 is needed" }
        if inflight < 1 { return "--inflight is \(inflight), but at least 1 is needed" }
        if processes < 1 { return "--processes is \(processes), but at least 1 is needed" }
        if processes > connections {
            return "--processes is \(processes), but there are only \(connections) connections to"
                + " share; take at most that many"
        }
        if sizes.upperBound > Self.sizeMax {
            return "--size is over \(Self.sizeMax >> 20)MiB, the most that is sent"
        }
        for (flag, rate) in [("--rate", rate), ("--connect-rate", connectRate)] {
            if let rate, !(rate > 0 && rate <= 1e9) {
                return "\(flag) is \(rate), but it has to be above 0 and at most 1000000000"
            }
        }
        if isCompressed, sizes.count > 1 || sizes.lowerBound <= Message.ownByteCount {
            return "--compression needs one --size, of \(Message.ownByteCount + 1) or more"
        }
        if durationNanoseconds == 0 { return "--duration is 0, but something is to be measured" }
        if timeoutNanoseconds == 0 { return "--timeout is 0, but an answer takes its time" }
        return nil
    }

    private func modeObjection(processes: Int) -> String? {
        if mode == .fanout, connections < 2 * processes {
            return "--mode fanout needs two connections in each process, one that sends and one"
                + " that receives, but --connections is \(connections)"
        }
        if mode == .fanout, sizes.lowerBound < 16 {
            return "--mode fanout puts the time of sending into messages; take a --size of 16 or"
                + " more"
        }
        if mode == .pingpong, sizes.upperBound > 125 {
            return "--mode pingpong sends pings, which have at most 125 bytes"
                + " (RFC 6455 §5.5); take a smaller --size"
        }
        if isCompressed, mode == .idle || mode == .pingpong {
            return "--compression is for messages; --mode \(mode.rawValue) sends pings"
        }
        if rate != nil, mode == .idle || mode == .churn {
            return "--rate is for --mode echo, pingpong, fanout and upload;"
                + " \(mode.rawValue) has no messages that are due at a time"
        }
        if rate == nil, arrivals == .poisson {
            return "--arrivals is for the open model; say --rate as well"
        }
        return nil
    }
}
