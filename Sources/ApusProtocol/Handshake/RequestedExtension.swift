// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// One offer of a Sec-WebSocket-Extensions field, RFC 6455 §9.1.
public struct RequestedExtension: Hashable, Sendable {
    /// One parameter of an offer.
    public struct Parameter: Hashable, Sendable {
        /// The name, in the case the client sent.
        public let name: String

        /// The value without quotes; nil for a parameter that has none.
        public let value: String?
    }

    /// The extension's name, in the case the client sent.
    public let name: String

    /// The parameters in the order offered; a name may occur twice.
    public internal(set) var parameters: [Parameter]
}

/// Reads the offers of one field line from left to right, never going back.
struct ExtensionParser {
    /// What is found, in the order of the line.
    private enum Part {
        case offer(ArraySlice<UInt8>)
        /// Of the offer before it; the value is as it stands between quotes, if it has any.
        case parameter(ArraySlice<UInt8>, ArraySlice<UInt8>?)
    }

    private let line: ArraySlice<UInt8>
    private var index: Int

    private init(_ line: ArraySlice<UInt8>) {
        self.line = line
        index = line.startIndex
    }

    /// Whether every offer of the line is well formed.
    static func isWellFormed(_ line: ArraySlice<UInt8>) -> Bool {
        var parser = ExtensionParser(line)
        return parser.read { _ in }
    }

    /// The offers of a line that is well formed.
    static func offers(in line: ArraySlice<UInt8>) -> [RequestedExtension] {
        var parser = ExtensionParser(line)
        var offers: [RequestedExtension] = []
        _ = parser.read { part in
            switch part {
            case .offer(let name):
                offers.append(RequestedExtension(name: text(name), parameters: []))
            case .parameter(let name, let value):
                offers[offers.count - 1].parameters.append(
                    RequestedExtension.Parameter(name: text(name), value: value.map(text))
                )
            }
        }
        return offers
    }

    /// What a token says, or what stands between quotes.
    private static func text(_ bytes: ArraySlice<UInt8>) -> String {
        String(decoding: bytes.filter { $0 != .backslash }, as: UTF8.self)
    }

    /// Tells the parts of the line; returns whether it is well formed up to its end.
    private mutating func read(_ found: (Part) -> Void) -> Bool {
        repeat {
            guard let name = readToken() else { return false }
            found(.offer(name))
            while skip(.semicolon) {
                guard let name = readToken() else { return false }
                guard skip(.equals) else {
                    found(.parameter(name, nil))
                    continue
                }
                guard let value = readValue() else { return false }
                found(.parameter(name, value))
            }
        } while skip(.comma)
        return index == line.endIndex
    }

    private mutating func readToken() -> ArraySlice<UInt8>? {
        skipWhitespace()
        let start = index
        while index < line.endIndex, line[index].isTokenCharacter { index += 1 }
        return start < index ? line[start..<index] : nil
    }

    /// A token, or a quoted string that is a token once its quotes and backslashes are gone.
    private mutating func readValue() -> ArraySlice<UInt8>? {
        skipWhitespace()
        guard index < line.endIndex, line[index] == .quote else { return readToken() }
        index += 1
        let start = index
        while index < line.endIndex, line[index] != .quote {
            if line[index] == .backslash { index += 1 }
            guard index < line.endIndex, line[index].isTokenCharacter else { return nil }
            index += 1
        }
        guard index < line.endIndex, start < index else { return nil }
        index += 1
        return line[start..<(index - 1)]
    }

    /// Goes past a separator and the white space around it; false where there is none.
    private mutating func skip(_ separator: UInt8) -> Bool {
        skipWhitespace()
        guard index < line.endIndex, line[index] == separator else { return false }
        index += 1
        return true
    }

    private mutating func skipWhitespace() {
        while index < line.endIndex, line[index].isWhitespace { index += 1 }
    }
}
