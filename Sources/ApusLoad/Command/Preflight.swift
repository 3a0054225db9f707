// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCommandLine
import ApusRing
import CApusSystem

/// What this machine has for the connections of a run.
struct Preflight {
    /// Why there is no io_uring, and what helps; nil where there is.
    var ringRefusal: String?
    /// Descriptors that one process may have.
    var descriptorsMax: UInt64
    /// Ports that connections from one address to one server can have.
    var portCount: Int
    /// Bytes that can be had.
    var memoryAvailable: Int

    /// Of each process: standard streams, ring, timers and what libraries open.
    static let descriptorsReserved: UInt64 = 32
    /// Of an idle connection's end here: about 3.6 KiB in the kernel, a pending receive and ours.
    static let bytesPerConnection = 5 << 10
    /// Of each process: the program, its ring and its buffers.
    static let bytesPerProcess = 24 << 20

    static func ofThisMachine() -> Preflight {
        var descriptors: UInt64 = 0
        _ = unsafe apus_limit_descriptors(&descriptors)
        return Preflight(
            ringRefusal: RingReport.inspect().refusal.map { "\($0.cause) \($0.cure)" },
            descriptorsMax: descriptors,
            portCount: SystemFile.localPortCount,
            memoryAvailable: SystemFile.memoryAvailable
        )
    }

    /// What a plan has too little of, how much would do, and how to cure it; nil: it has enough.
    func shortage(_ plan: LoadPlan, processes: Int) -> String? {
        if let ringRefusal { return "io_uring is not available: \(ringRefusal)" }
        return descriptorShortage(plan, processes)
            ?? portShortage(plan)
            ?? memoryShortage(plan, processes)
    }

    private func descriptorShortage(_ plan: LoadPlan, _ processes: Int) -> String? {
        let room = descriptorsMax - min(descriptorsMax, Self.descriptorsReserved)
        let largest = UInt64((plan.connections + processes - 1) / processes)
        guard largest > room else { return nil }
        guard room > 0 else {
            return "a process may open \(descriptorsMax) descriptors, too few for anything;"
                + " raise the limit (ulimit -Hn)"
        }
        let needed = (UInt64(plan.connections) + room - 1) / room
        return "a process may open \(descriptorsMax) descriptors, room for \(room) connections,"
            + " not for \(largest); use --processes \(needed) or raise the limit (ulimit -Hn)"
    }

    private func portShortage(_ plan: LoadPlan) -> String? {
        guard portCount > 0 else { return nil }
        let addresses = max(1, plan.sourceAddresses.count)
        let room = portCount * addresses
        guard plan.connections > room else { return nil }
        let needed = (plan.connections + portCount - 1) / portCount
        return "\(portCount) local ports are room for \(room) connections from"
            + " \(addresses == 1 ? "one address" : "\(addresses) addresses"), not for"
            + " \(plan.connections); use \(needed) --source-addresses, as 127.0.0.2-127.0.0.250,"
            + " or widen net.ipv4.ip_local_port_range"
    }

    private func memoryShortage(_ plan: LoadPlan, _ processes: Int) -> String? {
        guard memoryAvailable > 0 else { return nil }
        // Messages are made while they are sent: of a large one the socket's buffers hold a part.
        let isSending = plan.mode != .idle && plan.mode != .fanout
        let underWay = isSending ? min(plan.sizes.upperBound, 256 << 10) : 0
        let perConnection = Self.bytesPerConnection + underWay
        let room = max(0, memoryAvailable - processes * Self.bytesPerProcess) / perConnection
        guard plan.connections > room else { return nil }
        return "\(memoryAvailable >> 20) MiB of memory are available, room for about \(room)"
            + " connections, not for \(plan.connections); use fewer --connections"
            + (underWay > 4096 ? " or a smaller --size" : "")
    }
}
