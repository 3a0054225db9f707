// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCommandLine
import CApusSystem

/// Where the load was made.
struct Machine: Codable, Equatable {
    var kernel: String
    var processor: String
    var processors: Int
    var memoryBytes: Int

    enum CodingKeys: String, CodingKey {
        case kernel, processor, processors
        case memoryBytes = "memory_bytes"
    }

    static var this: Machine {
        let lines = (SystemFile.text("/proc/cpuinfo") ?? "").split(separator: "\n")
        let model = lines.first { $0.hasPrefix("model name") }
        return Machine(
            kernel: SystemFile.text("/proc/sys/kernel/osrelease") ?? "unknown",
            processor: model.flatMap { $0.split(separator: ":").last }
                .map { String($0.drop { $0 == " " }) } ?? "unknown",
            processors: Int(apus_process_cpu_count()),
            memoryBytes: SystemFile.bytes(of: "MemTotal", in: "/proc/meminfo") ?? 0
        )
    }
}
