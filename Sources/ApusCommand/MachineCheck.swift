// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusRing
import CApusSystem
import Glibc

/// What this machine offers to the server, and what limits how many connections it can hold.
struct MachineCheck {
    /// One finding: a name for programs, a value, and what it means to the operator.
    struct Finding {
        enum Value {
            case number(Int)
            case text(String)
            case flag(Bool)
        }

        var name: String
        var value: Value
        var meaning: String
    }

    var findings: [Finding]

    /// Why the server cannot run here; nil if it can.
    var refusal: String?

    static func inspect() -> MachineCheck {
        let ring = RingReport.inspect()
        var refusal = ring.refusal.map { "io_uring is not available: \($0.cause) \($0.cure)" }
        if refusal == nil {
            do {
                try Ring().selfTest()
            } catch let error as SelfTestFailure {
                refusal = "this kernel's io_uring fails the self-test: \(error.sentence)"
            } catch {
                refusal = "io_uring is not available: \(error)"
            }
        }
        return MachineCheck(
            findings: features(ring, selfTestPassed: refusal == nil) + limits(),
            refusal: refusal
        )
    }

    private static func features(_ ring: RingReport, selfTestPassed: Bool) -> [Finding] {
        [
            Finding(name: "kernel", value: .text(ring.kernelRelease), meaning: "6.1 or later"),
            Finding(
                name: "io_uring",
                value: .flag(ring.setupErrno == 0),
                meaning: "rings can be made"
            ),
            Finding(
                name: "io_uring_self_test",
                value: .flag(selfTestPassed),
                meaning: "accept, receive and send through a ring work"
            ),
            Finding(
                name: "defer_taskrun",
                value: .flag(ring.deferTaskrun),
                meaning: "needed (Linux 6.1)"
            ),
            Finding(
                name: "multishot_receive",
                value: .flag(ring.multishotReceive),
                meaning: "needed (Linux 6.0)"
            ),
            Finding(
                name: "buffer_ring",
                value: .flag(ring.bufferRing),
                meaning: "needed (Linux 5.19)"
            ),
            Finding(
                name: "cqe_skip",
                value: .flag(ring.cqeSkip),
                meaning: "needed (Linux 5.17)"
            ),
            Finding(
                name: "incremental_buffers",
                value: .flag(ring.incrementalBuffers),
                meaning: "less memory for receiving (Linux 6.12)"
            ),
            Finding(
                name: "no_sqarray",
                value: .flag(ring.noSQArray),
                meaning: "a little less work for each operation (Linux 6.6)"
            ),
            Finding(
                name: "registered_ring",
                value: .flag(ring.registeredRing),
                meaning: "a little less work for each wait (Linux 5.18)"
            ),
        ]
    }

    private static func limits() -> [Finding] {
        var descriptors: UInt64 = 0
        _ = unsafe apus_limit_descriptors(&descriptors)
        let ports = numbers(in: "/proc/sys/net/ipv4/ip_local_port_range")
        let portCount = ports.count == 2 ? ports[1] - ports[0] + 1 : 0
        let memory = memoryAvailable()
        return [
            Finding(
                name: "cores",
                value: .number(Int(apus_process_cpu_count())),
                meaning: "workers, unless --workers says otherwise"
            ),
            Finding(
                name: "descriptors",
                value: .number(Int(clamping: descriptors)),
                meaning: "connections of one worker, less about 20 (ulimit -Hn, LimitNOFILE=)"
            ),
            Finding(
                name: "backlog",
                value: .number(Int(apus_limit_backlog())),
                meaning: "connections that may wait for an accept; 4096 are asked for"
                    + " (net.core.somaxconn)"
            ),
            Finding(
                name: "local_ports",
                value: .number(portCount),
                meaning: "connections from one client address to one port"
                    + " (net.ipv4.ip_local_port_range)"
            ),
            Finding(
                name: "memory_available",
                value: .number(memory),
                meaning: "bytes; an idle connection takes about 5 KiB of the kernel's and ours"
            ),
            Finding(
                name: "congestion_control",
                value: .text(text(in: "/proc/sys/net/ipv4/tcp_congestion_control")),
                meaning: "bbr paces large messages; cubic and reno do not"
            ),
        ]
    }

    private static func memoryAvailable() -> Int {
        for line in text(in: "/proc/meminfo").split(separator: "\n")
        where line.hasPrefix("MemAvailable:") {
            return line.split(separator: " ").compactMap { Int($0) }.first.map { $0 * 1024 } ?? 0
        }
        return 0
    }

    private static func numbers(in path: String) -> [Int] {
        text(in: path).split(whereSeparator: \.isWhitespace).compactMap { Int($0) }
    }

    /// The start of a small file; empty where it cannot be read.
    private static func text(in path: String) -> String {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { apus_descriptor_close(descriptor) }
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: 4096) { buffer, count in
            count = unsafe max(0, Int(apus_descriptor_read(descriptor, buffer.baseAddress, 4096)))
        }
        let text = String(decoding: bytes, as: UTF8.self)
        return String(text.reversed().drop { $0.isWhitespace }.reversed())
    }

    // MARK: Printing

    var text: String {
        let nameWidth = findings.map(\.name.count).max() ?? 0
        let valueWidth = findings.map(\.value.text.count).max() ?? 0
        var lines = findings.map { finding in
            Self.padded(finding.name, nameWidth) + "  "
                + Self.padded(finding.value.text, valueWidth) + "  " + finding.meaning
        }
        lines.append(refusal == nil ? "this machine can serve" : "this machine cannot serve")
        return lines.joined(separator: "\n")
    }

    var json: String {
        let members = findings.map { "\"\($0.name)\":\($0.value.json)" }
        return "{\"can_serve\":\(refusal == nil),\(members.joined(separator: ","))}"
    }

    private static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }
}

extension MachineCheck.Finding.Value {
    var text: String {
        switch self {
        case .number(let number): "\(number)"
        case .text(let text): text
        case .flag(let flag): flag ? "yes" : "no"
        }
    }

    /// Texts come from the kernel, and have neither quotes nor controls in them.
    var json: String {
        switch self {
        case .number(let number): "\(number)"
        case .text(let text): "\"\(text)\""
        case .flag(let flag): "\(flag)"
        }
    }
}
