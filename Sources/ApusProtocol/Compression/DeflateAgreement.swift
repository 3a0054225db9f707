// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

public import ApusCodec

/// What holds on a connection whose messages may be compressed, RFC 7692 §7.
///
/// Four bytes, since a server has many of them.
public struct DeflateAgreement: Hashable, Sendable {
    /// What one side's compressor keeps to.
    public struct Side: Hashable, Sendable {
        /// Whether a message may refer to those before it.
        public var takesOver: Bool

        private var bits: UInt8

        /// How far back a message may refer: 2 to the power of this, 8 to 15, many bytes.
        public var windowBits: Int { Int(bits) }

        /// A window of other than 8 to 15 bits is the caller's fault and traps.
        public init(takesOver: Bool, windowBits: Int) {
            precondition(DeflateParameters.windowBits.contains(windowBits), "\(windowBits) bits")
            self.takesOver = takesOver
            bits = UInt8(windowBits)
        }
    }

    /// The server's.
    public var server: Side

    /// The client's.
    public var client: Side

    /// An agreement; see the properties.
    public init(server: Side, client: Side) {
        self.server = server
        self.client = client
    }

    /// What the side keeps to that compresses in this role.
    public func side(of role: Role) -> Side {
        switch role {
        case .server: server
        case .client: client
        }
    }

    /// What an answer says.
    init(_ answer: DeflateParameters) {
        server = Side(
            takesOver: !answer.serverNoContextTakeover,
            windowBits: answer.serverMaxWindowBits ?? 15
        )
        client = Side(takesOver: !answer.clientNoContextTakeover, windowBits: 15)
        if case .bits(let bits) = answer.clientMaxWindowBits {
            client = Side(takesOver: client.takesOver, windowBits: bits)
        }
    }

    /// The extension as a field would name it: an answer that leads to this agreement.
    public var field: String {
        var parameters = DeflateParameters()
        parameters.serverNoContextTakeover = !server.takesOver
        parameters.clientNoContextTakeover = !client.takesOver
        if server.windowBits < 15 { parameters.serverMaxWindowBits = server.windowBits }
        if client.windowBits < 15 { parameters.clientMaxWindowBits = .bits(client.windowBits) }
        return parameters.field
    }
}

/// What an endpoint wants of permessage-deflate, in either role, RFC 7692 §7.1.
public struct DeflatePreferences: Hashable, Sendable {
    /// Whether messages may refer to those before them, in either direction.
    public var takesOver: Bool

    /// The largest window, in either direction; 9 to 15.
    ///
    /// Not 8: zlib compresses with no less than 9, so an offer that asks a server for 8 is declined.
    public var windowBits: Int

    /// Preferences; a window of other than 9 to 15 bits is the caller's fault and traps.
    public init(takesOver: Bool, windowBits: Int = 15) {
        precondition((9...15).contains(windowBits), "a window of \(windowBits) bits")
        self.takesOver = takesOver
        self.windowBits = windowBits
    }

    // MARK: The server

    /// The answer to the first offer that can be kept to; nil where there is none: then messages
    /// are not compressed, and the connection is none the worse.
    public func answer(
        to offers: [RequestedExtension]
    ) -> (field: String, agreement: DeflateAgreement)? {
        for offer in offers.lazy.compactMap(DeflateParameters.init) {
            guard let answer = answer(to: offer) else { continue }
            return (answer.field, DeflateAgreement(answer))
        }
        return nil
    }

    private func answer(to offer: DeflateParameters) -> DeflateParameters? {
        var answer = DeflateParameters()
        answer.serverNoContextTakeover = offer.serverNoContextTakeover || !takesOver
        answer.clientNoContextTakeover = offer.clientNoContextTakeover || !takesOver
        if let asked = offer.serverMaxWindowBits {
            guard asked >= 9 else { return nil }
            answer.serverMaxWindowBits = min(asked, windowBits)
        } else if windowBits < 15 {
            answer.serverMaxWindowBits = windowBits
        }
        switch offer.clientMaxWindowBits {
        case .unmentioned:
            // It cannot be told to use less; but it can be told to keep nothing.
            if windowBits < 15 { answer.clientNoContextTakeover = true }
        case .any:
            if windowBits < 15 { answer.clientMaxWindowBits = .bits(windowBits) }
        case .bits(let asked):
            answer.clientMaxWindowBits = .bits(min(asked, windowBits))
        }
        return answer
    }

    // MARK: The client

    /// What a client with these preferences offers.
    public var offer: DeflateParameters {
        var offer = DeflateParameters()
        offer.serverNoContextTakeover = !takesOver
        offer.clientNoContextTakeover = !takesOver
        if windowBits < 15 {
            offer.serverMaxWindowBits = windowBits
            offer.clientMaxWindowBits = .bits(windowBits)
        } else {
            offer.clientMaxWindowBits = .any
        }
        return offer
    }
}

extension DeflateParameters {
    /// What the answer to this offer leads to; nil where the answer breaks a rule of RFC 7692 §7.1,
    /// for which the client fails the connection (§5.1).
    ///
    /// What was asked of the server has to be granted, and nothing that was not offered be asked of
    /// the client, but for `client_no_context_takeover`, which any client can do.
    public func agreement(answeredWith element: RequestedExtension) -> DeflateAgreement? {
        guard let answer = DeflateParameters(element) else { return nil }
        if serverNoContextTakeover, !answer.serverNoContextTakeover { return nil }
        if let asked = serverMaxWindowBits {
            guard let granted = answer.serverMaxWindowBits, granted <= asked else { return nil }
        }
        switch (clientMaxWindowBits, answer.clientMaxWindowBits) {
        case (_, .unmentioned): break
        // The name alone is for offers, §7.1.2.2; and zlib compresses with no less than 9.
        case (.unmentioned, _), (_, .any), (_, .bits(8)): return nil
        case (.any, .bits): break
        case (.bits(let offered), .bits(let answered)):
            guard answered <= offered else { return nil }
        }
        var agreement = DeflateAgreement(answer)
        // What it said of itself holds, whether the server repeats it or not.
        if clientNoContextTakeover { agreement.client.takesOver = false }
        if case .bits(let offered) = clientMaxWindowBits {
            agreement.client = DeflateAgreement.Side(
                takesOver: agreement.client.takesOver,
                windowBits: min(agreement.client.windowBits, offered)
            )
        }
        return agreement
    }
}
