// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// A file that grows, under a name that says so until it is complete.
struct Upload {
    private let name: String
    private let folder: String
    private let file: Int32
    private var byteCount = 0
    private var checksum = Adler32()

    init(in folder: String) throws(SystemError) {
        self.folder = folder
        // By chance, so that neither another worker nor another run has it.
        name = "upload-" + String(UInt64.random(in: 0 ... .max), radix: 36)
        let flags = O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC
        file = try SystemError.check(unsafe open("\(folder)/\(name).part", flags, 0o600))
    }

    mutating func append(_ bytes: Span<UInt8>) throws(SystemError) {
        var start = 0
        while start < bytes.count {
            let rest = bytes.extracting(start...)
            start += try SystemError.check(
                unsafe rest.withUnsafeBytes { unsafe write(file, $0.baseAddress, $0.count) }
            )
        }
        checksum.append(bytes)
        byteCount += bytes.count
    }

    /// The file is complete; returns what there is to say about it.
    func finish() throws(SystemError) -> String {
        let path = "\(folder)/\(name)"
        try SystemError.check(unsafe rename("\(path).part", path))
        close(file)
        return "\(name) \(byteCount) \(checksum.value)"
    }

    func discard() {
        close(file)
        unsafe unlink("\(folder)/\(name).part")
    }
}

/// The checksum of zlib, RFC 1950 §8.2.
struct Adler32 {
    private var low: UInt32 = 1
    private var high: UInt32 = 0

    var value: UInt32 { high << 16 | low }

    mutating func append(_ bytes: Span<UInt8>) {
        for index in bytes.indices {
            low = (low + UInt32(bytes[index])) % 65521
            high = (high + low) % 65521
        }
    }
}

/// What the system refused.
struct SystemError: Error, CustomStringConvertible {
    let number: Int32

    var description: String { unsafe String(cString: strerror(number)) }

    @discardableResult
    static func check<Result: SignedInteger>(_ result: Result) throws(SystemError) -> Result {
        guard result >= 0 else { throw SystemError(number: errno) }
        return result
    }
}
