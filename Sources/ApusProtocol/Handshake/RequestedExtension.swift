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
    public let parameters: [Parameter]
}

/// Reads the offers of one field line from left to right, never going back.
struct ExtensionParser {
    private let line: ArraySlice<UInt8>
    private var index: Int

    private init(_ line: ArraySlice<UInt8>) {
        self.line = line
        index = line.startIndex
    }

    /// The offers of a line; nil unless every one is well formed.
    static func offers(in line: ArraySlice<UInt8>) -> [RequestedExtension]? {
        var parser = ExtensionParser(line)
        var offers: [RequestedExtension] = []
        repeat {
            guard let offer = parser.readOffer() else { return nil }
            offers.append(offer)
        } while parser.skip(.comma)
        return parser.index == line.endIndex ? offers : nil
    }

    private mutating func readOffer() -> RequestedExtension? {
        guard let name = readToken() else { return nil }
        var parameters: [RequestedExtension.Parameter] = []
        while skip(.semicolon) {
            guard let name = readToken() else { return nil }
            var value: String?
            if skip(.equals) {
                value = readValue()
                guard value != nil else { return nil }
            }
            parameters.append(RequestedExtension.Parameter(name: name, value: value))
        }
        return RequestedExtension(name: name, parameters: parameters)
    }

    private mutating func readToken() -> String? {
        skipWhitespace()
        let token = line[index...].prefix(while: \.isTokenCharacter)
        index = token.endIndex
        return token.isEmpty ? nil : String(decoding: token, as: UTF8.self)
    }

    /// A token, or a quoted string that is a token once its quotes and backslashes are gone.
    private mutating func readValue() -> String? {
        skipWhitespace()
        guard index < line.endIndex, line[index] == .quote else { return readToken() }
        index += 1
        var value: [UInt8] = []
        while index < line.endIndex, line[index] != .quote {
            if line[index] == .backslash { index += 1 }
            guard index < line.endIndex, line[index].isTokenCharacter else { return nil }
            value.append(line[index])
            index += 1
        }
        guard index < line.endIndex, !value.isEmpty else { return nil }
        index += 1
        return String(decoding: value, as: UTF8.self)
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
