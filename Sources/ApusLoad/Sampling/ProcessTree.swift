// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCommandLine
import FoundationEssentials

/// A process and all that it started, and they in turn, as they are when it is asked.
struct ProcessTree {
    /// Memory of all its processes, in bytes.
    struct Memory: Equatable {
        /// Pages that several processes share count in each.
        var resident = 0
        /// They count in parts; nil where the kernel does not say.
        var proportional: Int?
    }

    let root: Int32

    var isAlive: Bool { SystemFile.text("/proc/\(root)/stat") != nil }

    /// The processes that are there now, the root first.
    var processes: [Int32] {
        var found = [root]
        var next = 0
        while next < found.count {
            let folder = "/proc/\(found[next])/task"
            for task in Self.names(in: folder) {
                // A number that was given anew meanwhile must not lead in a circle.
                found += SystemFile.numbers("\(folder)/\(task)/children").map(Int32.init)
                    .filter { !found.contains($0) }
            }
            next += 1
        }
        return found
    }

    /// Nanoseconds on a processor of each thread of each process, by the thread's number.
    var cpuOfThreads: [String: UInt64] {
        var all: [String: UInt64] = [:]
        for process in processes {
            let folder = "/proc/\(process)/task"
            for task in Self.names(in: folder) {
                // One that ended meanwhile has none.
                all[task] = Self.cpu(ofTask: "\(folder)/\(task)")
            }
        }
        return all
    }

    var memory: Memory {
        var sum = Memory(resident: 0, proportional: 0)
        for process in processes {
            let rollup = "/proc/\(process)/smaps_rollup"
            let proportional = SystemFile.bytes(of: "Pss", in: rollup)
            let resident =
                SystemFile.bytes(of: "Rss", in: rollup)
                ?? SystemFile.bytes(of: "VmRSS", in: "/proc/\(process)/status")
            // What has ended meanwhile, or has no memory, takes none.
            guard let resident else { continue }
            sum.resident += resident
            if let part = proportional {
                sum.proportional = sum.proportional.map { $0 + part }
            } else {
                sum.proportional = nil
            }
        }
        return sum
    }

    /// The processors that the root may run on.
    var processorCount: Int {
        let lists = (SystemFile.text("/proc/\(root)/status") ?? "").split(separator: "\n")
            .filter { $0.hasPrefix("Cpus_allowed_list:") }
        guard let list = lists.first?.split(whereSeparator: \.isWhitespace).last else { return 1 }
        return list.split(separator: ",").reduce(0) { sum, element in
            let ends = element.split(separator: "-").compactMap { Int($0) }
            return sum + (ends.count == 2 ? ends[1] - ends[0] + 1 : ends.count)
        }
    }

    private static func cpu(ofTask folder: String) -> UInt64? {
        if let first = SystemFile.text("\(folder)/schedstat")?.split(separator: " ").first {
            return UInt64(first)
        }
        // Kernels without schedstat count in hundredths of a second.
        guard let stat = SystemFile.text("\(folder)/stat"),
            let name = stat.lastIndex(of: ")")
        else { return nil }
        let fields = stat[stat.index(after: name)...].split(separator: " ")
        guard fields.count > 12, let user = UInt64(fields[11]), let system = UInt64(fields[12])
        else { return nil }
        return (user + system) * 10_000_000
    }

    /// The threads of a process that are there now; none where it has ended.
    private static func names(in folder: String) -> [String] {
        do {
            return try FileManager.default.contentsOfDirectory(atPath: folder)
        } catch {
            return []
        }
    }
}
