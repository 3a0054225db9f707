// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import CApusSystem
import Glibc

/// What the kernel says of the machine and its processes, in small files.
package enum SystemFile {
    /// All of a file, without white space at its end; nil where it cannot be read, and then
    /// `latestError` says why.
    package static func text(_ path: String) -> String? {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { apus_descriptor_close(descriptor) }
        var all: [UInt8] = []
        while true {
            var result: Int64 = 0
            let bytes = unsafe [UInt8](unsafeUninitializedCapacity: 4096) { buffer, count in
                result = unsafe apus_descriptor_read(descriptor, buffer.baseAddress, 4096)
                count = max(0, Int(result))
            }
            guard result >= 0 else { return nil }
            guard result > 0 else { break }
            all += bytes
        }
        let text = String(decoding: all, as: UTF8.self)
        return String(text.reversed().drop { $0.isWhitespace }.reversed())
    }

    /// Why the latest call of the system failed, in its words.
    package static var latestError: String { unsafe String(cString: strerror(errno)) }

    /// The numbers in a file, in order; none where it cannot be read.
    package static func numbers(_ path: String) -> [Int] {
        (text(path) ?? "").split(whereSeparator: \.isWhitespace).compactMap { Int($0) }
    }

    /// The bytes that a line such as `MemAvailable:   5724 kB` says.
    package static func bytes(of key: String, in path: String) -> Int? {
        for line in (text(path) ?? "").split(separator: "\n") where line.hasPrefix(key + ":") {
            return line.split(separator: " ").compactMap { Int($0) }.first.map { $0 * 1024 }
        }
        return nil
    }

    /// The ports that the kernel gives to connections that ask for none.
    package static var localPortCount: Int {
        let ends = numbers("/proc/sys/net/ipv4/ip_local_port_range")
        return ends.count == 2 ? ends[1] - ends[0] + 1 : 0
    }

    /// Bytes that can be had without swapping; 0 where the kernel does not say.
    package static var memoryAvailable: Int {
        bytes(of: "MemAvailable", in: "/proc/meminfo") ?? 0
    }
}
