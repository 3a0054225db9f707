// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

internal import ApusCodec

/// The parameters of one offer of permessage-deflate, or of its answer, RFC 7692 §7.1.
public struct DeflateParameters: Hashable, Sendable {
    /// How much history a side may refer to: 2 to the power of this many bytes.
    public static let windowBits = 8...15

    /// What stands of `client_max_window_bits`.
    public enum ClientWindow: Hashable, Sendable {
        /// Nothing: in an offer, the client cannot be told to use less.
        case unmentioned
        /// The name alone, in an offer: the client can be told.
        case any
        /// The name and 8 to 15.
        case bits(Int)
    }

    /// Whether each message of the server is compressed for itself.
    public var serverNoContextTakeover = false

    /// Whether each message of the client is compressed for itself; in an offer a hint.
    public var clientNoContextTakeover = false

    /// The largest window of the server, 8 to 15; nil: it is not mentioned.
    public var serverMaxWindowBits: Int?

    /// The largest window of the client.
    public var clientMaxWindowBits = ClientWindow.unmentioned

    /// The extension without a parameter.
    public init() {}

    static let name = "permessage-deflate"

    /// Those of an element of Sec-WebSocket-Extensions; nil for another extension, and for one that
    /// breaks a rule of §7.1: a parameter that is unknown, there twice, or without a proper value.
    public init?(_ element: RequestedExtension) {
        guard element.isDeflate else { return nil }
        var seen: Set<String> = []
        for parameter in element.parameters {
            // Names have no case, RFC 6455 §4.1.
            let name = parameter.name.lowercased()
            guard seen.insert(name).inserted else { return nil }
            switch (name, parameter.value) {
            case ("server_no_context_takeover", nil):
                serverNoContextTakeover = true
            case ("client_no_context_takeover", nil):
                clientNoContextTakeover = true
            case ("server_max_window_bits", let value?):
                guard let bits = Self.windowBits(value) else { return nil }
                serverMaxWindowBits = bits
            case ("client_max_window_bits", nil):
                clientMaxWindowBits = .any
            case ("client_max_window_bits", let value?):
                guard let bits = Self.windowBits(value) else { return nil }
                clientMaxWindowBits = .bits(bits)
            default:
                return nil
            }
        }
    }

    /// A decimal number from 8 to 15, without leading zeroes.
    private static func windowBits(_ text: String) -> Int? {
        windowBits.first { text == "\($0)" }
    }

    /// The value of a Sec-WebSocket-Extensions field that says this.
    public var field: String {
        var field = Self.name
        if serverNoContextTakeover { field += "; server_no_context_takeover" }
        if clientNoContextTakeover { field += "; client_no_context_takeover" }
        if let serverMaxWindowBits { field += "; server_max_window_bits=\(serverMaxWindowBits)" }
        switch clientMaxWindowBits {
        case .unmentioned: break
        case .any: field += "; client_max_window_bits"
        case .bits(let bits): field += "; client_max_window_bits=\(bits)"
        }
        return field
    }
}

extension RequestedExtension {
    var isDeflate: Bool {
        Array(name.utf8).equalsIgnoringCase(DeflateParameters.name.utf8)
    }
}
