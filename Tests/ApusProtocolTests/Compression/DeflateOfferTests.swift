// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol
import ApusTestSupport
import Testing

/// What a handshake's Sec-WebSocket-Extensions fields offer.
func extensions(_ fields: String...) throws -> [RequestedExtension] {
    var draft = HeadDraft.handshake
    for field in fields { draft = draft.adding("Sec-WebSocket-Extensions: \(field)") }
    var machine = HandshakeStateMachine(limits: HandshakeLimits(), deadline: handshakeDeadline)
    guard case .upgrade(let request, _) = machine.received(draft.bytes, at: handshakeStart) else {
        throw NoUpgrade()
    }
    return request.requestedExtensions
}

struct NoUpgrade: Error {}

private let shared = DeflatePreferences(takesOver: false)
private let full = DeflatePreferences(takesOver: true)
private let small = DeflatePreferences(takesOver: true, windowBits: 11)

@Suite(.rfc7692("7.1")) struct `Offers of permessage-deflate` {
    @Test(arguments: [
        ("permessage-deflate", "permessage-deflate"),
        ("PerMessage-Deflate", "permessage-deflate"),
        ("permessage-deflate; client_max_window_bits", "permessage-deflate"),
        (
            "permessage-deflate; client_max_window_bits=15",
            "permessage-deflate; client_max_window_bits=15"
        ),
        (
            "permessage-deflate; client_max_window_bits=\"10\"",
            "permessage-deflate; client_max_window_bits=10"
        ),
        (
            "permessage-deflate; client_max_window_bits=8",
            "permessage-deflate; client_max_window_bits=8"
        ),
        (
            "permessage-deflate; server_max_window_bits=10",
            "permessage-deflate; server_max_window_bits=10"
        ),
        (
            "permessage-deflate; SERVER_MAX_WINDOW_BITS=9",
            "permessage-deflate; server_max_window_bits=9"
        ),
        (
            "permessage-deflate; server_no_context_takeover",
            "permessage-deflate; server_no_context_takeover"
        ),
        (
            "permessage-deflate; client_no_context_takeover",
            "permessage-deflate; client_no_context_takeover"
        ),
    ])
    func `are granted what they ask for`(offer: String, answer: String) throws {
        #expect(try full.answer(to: extensions(offer))?.field == answer)
    }

    /// B8: whatever it says, the connection is none the worse.
    @Test(
        arguments: [
            "server_max_window_bits", "server_max_window_bits=0", "server_max_window_bits=7",
            "server_max_window_bits=8", "server_max_window_bits=16", "server_max_window_bits=99",
            "server_max_window_bits=-1", "server_max_window_bits=08",
            "server_max_window_bits=1e1", "server_max_window_bits=+9",
            "server_max_window_bits=\"16\"", "server_max_window_bits=\"08\"",
            "server_max_window_bits=9; server_max_window_bits=9",
            "server_max_window_bits=9; Server_Max_Window_Bits=10",
            "client_max_window_bits=0", "client_max_window_bits=7", "client_max_window_bits=16",
            "client_max_window_bits=99", "client_max_window_bits=-1",
            "client_max_window_bits=08", "client_max_window_bits=1e1",
            "client_max_window_bits; client_max_window_bits=9",
            "client_no_context_takeover=1", "server_no_context_takeover=true",
            "client_no_context_takeover; client_no_context_takeover",
            "server_no_context_takeover; server_no_context_takeover",
            "client_no_context_takeover=15", "foo", "foo=bar", "server_max_window_bit=9",
            "18446744073709551625=9", "server_max_window_bits=18446744073709551625",
        ],
        [shared, full, small]
    )
    func `that make no sense are declined`(
        parameters: String,
        preferences: DeflatePreferences
    ) throws {
        let offer = "permessage-deflate; \(parameters)"
        #expect(try preferences.answer(to: extensions(offer)) == nil)
        let second = try preferences.answer(to: extensions("\(offer), permessage-deflate"))
        let alone = try preferences.answer(to: extensions("permessage-deflate"))
        #expect(second?.field == alone?.field)
    }

    @Test func `are taken in their order, in one field or in several`() throws {
        let offers = [
            "permessage-bzip2", "permessage-deflate; server_max_window_bits=8",
            "x-webkit-deflate-frame", "permessage-deflate; server_max_window_bits=12",
            "permessage-deflate",
        ]
        let answer = "permessage-deflate; server_max_window_bits=12"
        #expect(try full.answer(to: extensions(offers.joined(separator: ", ")))?.field == answer)
        #expect(
            try full.answer(to: extensions(offers[0], offers[1], offers[3], offers[4]))?.field
                == answer
        )
        #expect(full.answer(to: []) == nil)
        #expect(try full.answer(to: extensions("permessage-bzip2")) == nil)
    }

    @Test(arguments: [
        ("permessage-deflate", false, 15),
        ("permessage-deflate; client_max_window_bits", false, 15),
        ("permessage-deflate; server_max_window_bits=10", false, 10),
        ("permessage-deflate; client_max_window_bits=10", false, 15),
    ])
    func `without context takeover bind both sides`(
        offer: String,
        takesOver: Bool,
        bits: Int
    ) throws {
        let answer = try #require(try shared.answer(to: extensions(offer)))
        #expect(answer.agreement.server == .init(takesOver: false, windowBits: bits))
        #expect(!answer.agreement.client.takesOver)
        #expect(answer.field.contains("server_no_context_takeover"))
        #expect(answer.field.contains("client_no_context_takeover"))
    }

    @Test(arguments: [
        ("permessage-deflate; client_max_window_bits", true, 11),
        ("permessage-deflate; client_max_window_bits=9", true, 9),
        ("permessage-deflate; client_max_window_bits=15", true, 11),
        // It cannot be told to use a small window, so it keeps none.
        ("permessage-deflate", false, 15),
    ])
    func `are answered with a window that costs no more than wanted`(
        offer: String,
        takesOver: Bool,
        bits: Int
    ) throws {
        let agreement = try #require(try small.answer(to: extensions(offer))).agreement
        #expect(agreement.server == .init(takesOver: true, windowBits: 11))
        #expect(agreement.client == .init(takesOver: takesOver, windowBits: bits))
    }

    /// Whatever is offered, its answer is one that a client takes, and both mean the same by it.
    @Test func `and their answers mean the same to both ends`() throws {
        let windows: [DeflateParameters.ClientWindow] = [.unmentioned, .any, .bits(9), .bits(15)]
        for preferences in [shared, full, small] {
            for client in windows {
                for server in [nil, 9, 12, 15] {
                    for takeover in 0..<4 {
                        var offer = DeflateParameters()
                        offer.clientMaxWindowBits = client
                        offer.serverMaxWindowBits = server
                        offer.serverNoContextTakeover = takeover & 1 != 0
                        offer.clientNoContextTakeover = takeover & 2 != 0
                        let offered = try extensions(offer.field)
                        #expect(DeflateParameters(offered[0]) == offer)
                        let answer = try #require(preferences.answer(to: offered))
                        let answered = try extensions(answer.field)
                        let agreement = try #require(offer.agreement(answeredWith: answered[0]))
                        #expect(agreement.server == answer.agreement.server, "\(offer.field)")
                        #expect(agreement.client.takesOver == answer.agreement.client.takesOver)
                        #expect(
                            agreement.client.windowBits <= answer.agreement.client.windowBits
                        )
                    }
                }
            }
        }
    }
}

@Suite(.rfc7692("7.1")) struct `Answers to permessage-deflate` {
    @Test(arguments: [
        (full, "permessage-deflate; client_max_window_bits"),
        (
            shared,
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits"
        ),
        (small, "permessage-deflate; server_max_window_bits=11; client_max_window_bits=11"),
    ])
    func `follow an offer of ours`(preferences: DeflatePreferences, offer: String) {
        #expect(preferences.offer.field == offer)
    }

    @Test(
        arguments: [
            (full, "permessage-deflate", true, 15, true, 15),
            (full, "Permessage-Deflate; CLIENT_MAX_WINDOW_BITS=9", true, 15, true, 9),
            (full, "permessage-deflate; server_max_window_bits=8", true, 8, true, 15),
            (full, "permessage-deflate; client_no_context_takeover", true, 15, false, 15),
            (full, "permessage-deflate; server_no_context_takeover", false, 15, true, 15),
            (shared, "permessage-deflate; server_no_context_takeover", false, 15, false, 15),
            (small, "permessage-deflate; server_max_window_bits=11", true, 11, true, 11),
            (
                small,
                "permessage-deflate; server_max_window_bits=\"10\"; client_max_window_bits=9",
                true, 10, true, 9
            ),
        ] as [(DeflatePreferences, String, Bool, Int, Bool, Int)]
    )
    func `are kept to`(
        preferences: DeflatePreferences,
        answer: String,
        serverTakesOver: Bool,
        serverBits: Int,
        clientTakesOver: Bool,
        clientBits: Int
    ) throws {
        var handshake = try handshake(preferences)
        let action = handshake.received(response(answer), at: handshakeStart)
        #expect(ResponseOutcome(action) == .open)
        let deflate = handshake.deflate
        let agreement = try #require(deflate)
        #expect(agreement.server == .init(takesOver: serverTakesOver, windowBits: serverBits))
        #expect(agreement.client == .init(takesOver: clientTakesOver, windowBits: clientBits))
    }

    @Test(
        .rfc7692("5.1"),
        arguments: [
            (full, "permessage-deflate, permessage-deflate"),
            (full, "permessage-deflate; foo"),
            (full, "permessage-deflate; client_max_window_bits"),
            (full, "permessage-deflate; client_max_window_bits=8"),
            (full, "permessage-deflate; client_max_window_bits=16"),
            (full, "permessage-deflate; client_max_window_bits=09"),
            (full, "permessage-deflate; server_max_window_bits"),
            (full, "permessage-deflate; server_max_window_bits=7"),
            (full, "permessage-deflate; server_max_window_bits=9; server_max_window_bits=9"),
            (full, "permessage-deflate; client_no_context_takeover=1"),
            (full, "permessage-deflate;"), (full, "\""), (full, ","),
            (shared, "permessage-deflate"),
            (shared, "permessage-deflate; client_no_context_takeover"),
            (small, "permessage-deflate"),
            (small, "permessage-deflate; server_max_window_bits=12"),
            (small, "permessage-deflate; server_max_window_bits=11; client_max_window_bits=12"),
        ]
    )
    func `that do not fit the offer fail the connection`(
        preferences: DeflatePreferences,
        answer: String
    ) throws {
        var handshake = try handshake(preferences)
        let action = handshake.received(response(answer), at: handshakeStart)
        #expect(action == .fail(.deflateAnswerInvalid))
        let agreement = handshake.deflate
        #expect(agreement == nil)
    }

    @Test func `that name another extension fail the connection`() throws {
        for answer in ["permessage-bzip2", "permessage-deflate, permessage-bzip2"] {
            var handshake = try handshake(full)
            let action = handshake.received(response(answer), at: handshakeStart)
            #expect(action == .fail(.extensionNotRequested))
        }
    }

    @Test func `may be missing`() throws {
        var handshake = try handshake(full)
        let request = handshake.request.wireText
        #expect(request.contains("Sec-WebSocket-Extensions: permessage-deflate"))
        let action = handshake.received(response(nil), at: handshakeStart)
        #expect(ResponseOutcome(action) == .open)
        let agreement = handshake.deflate
        #expect(agreement == nil)
    }

    private func handshake(_ preferences: DeflatePreferences) throws -> ClientHandshake {
        try ClientHandshake(
            url: WebSocketURL("ws://server.example.com/chat"),
            protocols: ["chat"],
            deflate: preferences.offer,
            nonce: sampleNonce,
            deadline: handshakeDeadline
        )
    }

    private func response(_ answer: String?) -> [UInt8] {
        let draft = ResponseDraft.handshake
        return (answer.map { draft.adding("Sec-WebSocket-Extensions: \($0)") } ?? draft).bytes
    }
}
