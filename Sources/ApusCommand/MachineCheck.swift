// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCommandLine
import ApusRing
import CApusSystem

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

        init(_ name: String, _ value: Value, _ meaning: String) {
            self.name = name
            self.value = value
            self.meaning = meaning
        }
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
            Finding("kernel", .text(ring.kernelRelease), "6.1 or later"),
            Finding("io_uring", .flag(ring.setupErrno == 0), "rings can be made"),
            Finding(
                "io_uring_self_test",
                .flag(selfTestPassed),
                "connect, accept, receive and send through a ring work"
            ),
            Finding("defer_taskrun", .flag(ring.deferTaskrun), "needed (Linux 6.1)"),
            Finding("multishot_receive", .flag(ring.multishotReceive), "needed (Linux 6.0)"),
            Finding("buffer_ring", .flag(ring.bufferRing), "needed (Linux 5.19)"),
            Finding("cqe_skip", .flag(ring.cqeSkip), "needed (Linux 5.17)"),
            Finding("connect", .flag(ring.connect), "needed (Linux 5.5)"),
            Finding(
                "incremental_buffers",
                .flag(ring.incrementalBuffers),
                "less memory for receiving (Linux 6.12)"
            ),
            Finding(
                "no_sqarray",
                .flag(ring.noSQArray),
                "a little less work for each operation (Linux 6.6)"
            ),
            Finding(
                "registered_ring",
                .flag(ring.registeredRing),
                "a little less work for each wait (Linux 5.18)"
            ),
        ]
    }

    private static func limits() -> [Finding] {
        var descriptors: UInt64 = 0
        _ = unsafe apus_limit_descriptors(&descriptors)
        return [
            Finding(
                "cores",
                .number(Int(apus_process_cpu_count())),
                "workers, unless --workers says otherwise"
            ),
            Finding(
                "descriptors",
                .number(Int(clamping: descriptors)),
                "connections of one worker, less about 20 (ulimit -Hn, LimitNOFILE=)"
            ),
            Finding(
                "backlog",
                .number(Int(apus_limit_backlog())),
                "connections that may wait for an accept; 4096 are asked for"
                    + " (net.core.somaxconn)"
            ),
            Finding(
                "local_ports",
                .number(SystemFile.localPortCount),
                "connections from one client address to one port"
                    + " (net.ipv4.ip_local_port_range)"
            ),
            Finding(
                "memory_available",
                .number(SystemFile.memoryAvailable),
                "bytes; an idle connection takes about 6 KiB, most of it the kernel's"
            ),
            Finding(
                "kernel_tls",
                .flag(
                    (SystemFile.text("/proc/sys/net/ipv4/tcp_available_ulp") ?? "")
                        .split(separator: " ").contains("tls")
                ),
                "TLS in the kernel; not used, whether there or not"
            ),
            Finding(
                "congestion_control",
                .text(SystemFile.text("/proc/sys/net/ipv4/tcp_congestion_control") ?? ""),
                "bbr paces large messages; cubic and reno do not"
            ),
        ]
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
