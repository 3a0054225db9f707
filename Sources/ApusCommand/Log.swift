// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCommandLine
import ArgumentParser
import Glibc
import Logging

/// The least severe level that is logged.
enum LogLevel: String, CaseIterable, ExpressibleByArgument {
    case trace, debug, info, notice, warning, error, critical

    var level: Logger.Level { Logger.Level(rawValue: rawValue) ?? .info }
}

/// How log lines look.
enum LogFormat: String, ExpressibleByArgument {
    case text
    case json

    func handler(label: String) -> any LogHandler {
        StandardErrorLog(format: self, label: label)
    }
}

/// One line per event, to standard error, in one write: lines of several processes do not mix.
///
/// What a peer chose may be in it, so control characters are escaped: no line can be forged.
struct StandardErrorLog: LogHandler {
    var logLevel = Logger.Level.info
    var metadata: Logger.Metadata = [:]

    private let format: LogFormat
    private let label: String

    init(format: LogFormat, label: String) {
        self.format = format
        self.label = label
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let own = event.metadata ?? [:]
        let values = metadata.merging(own) { _, own in own }
            .map { (key: $0.key, value: "\($0.value)") }
            .sorted { $0.key < $1.key }
        var line: String
        switch format {
        case .text:
            line =
                "\(WallClock.timestamp) \(event.level.rawValue) \(Self.escaped("\(event.message)"))"
            for (key, value) in values { line += " \(key)=\(Self.quoted(value))" }
        case .json:
            line = "{\"time\":\"\(WallClock.timestamp)\",\"level\":\"\(event.level.rawValue)\""
            line += ",\"logger\":\"\(label)\",\"message\":\"\(Self.escaped("\(event.message)"))\""
            for (key, value) in values {
                line += ",\"\(Self.escaped(key))\":\"\(Self.escaped(value))\""
            }
            line += "}"
        }
        line += "\n"
        // Nowhere is left to report to if standard error does not take it.
        line.withUTF8 { _ = unsafe write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    private static func quoted(_ value: String) -> String {
        let isPlain = value.utf8.allSatisfy {
            $0 > 0x20 && $0 < 0x7F && $0 != 0x22 && $0 != 0x5C && $0 != 0x3D
        }
        return isPlain && !value.isEmpty ? value : "\"\(escaped(value))\""
    }

    /// At most this much of a value is logged.
    private static let characterCountMax = 256

    /// Fit to stand between quotes, in JSON as well.
    private static func escaped(_ value: String) -> String {
        var text = ""
        for scalar in value.unicodeScalars.prefix(characterCountMax) {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            case _ where scalar.value < 0x20 || (0x7F..<0xA0).contains(scalar.value):
                let digits = String(scalar.value, radix: 16)
                text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text
    }
}
