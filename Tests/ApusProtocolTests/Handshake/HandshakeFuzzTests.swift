// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol
import ApusTestSupport
import Testing

@Suite struct `Handshake under random bytes` {
    private static let pieces = [
        "\r\n", "\r", "\n", " ", "\t", ":", ",", ";", "=", "\"", "\\", "\u{0}", "\u{FF}", "#", "@",
        "[", "]", "%", "websocket", "Upgrade", "close", "Content-Length: 1\r\n", "Host: a\r\n",
        "Sec-WebSocket-Extensions: a;b=\"c\"\r\n", "Cookie: a=\"b\r\n", "HTTP/1.0", "13", "=",
        "Transfer-Encoding: chunked\r\n", "http://a", "*", "\r\n\r\n",
    ].map { Array($0.utf8) }

    private static func mutated(using random: inout SplitMix) -> [UInt8] {
        let drafts = [
            HeadDraft.handshake, .ordinary,
            HeadDraft.handshake.adding(
                "Cookie: a=b; c=\"d\"",
                "Sec-WebSocket-Extensions: permessage-deflate; a=\"b\", c"
            ).requesting("GET http://a:80/b?c HTTP/1.1"),
        ]
        var bytes = drafts[Int.random(in: drafts.indices, using: &random)].bytes
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            let place = Int.random(in: bytes.indices, using: &random)
            switch Int.random(in: 0..<4, using: &random) {
            case 0: bytes[place] = UInt8.random(in: .min ... .max, using: &random)
            case 1: bytes.remove(at: place)
            case 2:
                let piece = pieces[Int.random(in: pieces.indices, using: &random)]
                bytes.insert(contentsOf: piece, at: place)
            default:
                let end = min(bytes.count, place + Int.random(in: 1...40, using: &random))
                bytes.insert(contentsOf: bytes[place..<end], at: place)
            }
        }
        return bytes
    }

    /// Asks for everything that a head can be asked for.
    private static func use(_ action: HandshakeAction) throws {
        switch action {
        case .needMoreBytes: break
        case .refuse(let refusal): #expect(refusal.bytes().count > 0)
        case .request(let head, _): use(head)
        case .upgrade(let request, let consumed):
            use(request.head)
            #expect(consumed > 0)
            #expect(!request.host.isEmpty && request.path.hasPrefix("/"))
            #expect(request.key.utf8.count == 24 && request.query != request.path)
            let acceptance = try request.acceptance(protocol: request.requestedProtocols.first)
            #expect(acceptance.wireText.hasSuffix("\r\n\r\n"))
        }
    }

    private static func use(_ head: RequestHead) {
        for index in 0..<head.fieldCount {
            #expect(head.hasField(head.name(at: index)))
            #expect(!head.value(at: index).contains { $0 == "\r" || $0 == "\n" || $0 == "\r\n" })
        }
        #expect(head.cookies.allSatisfy { !$0.name.isEmpty })
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func `server decides the same whatever the pieces`(seed: UInt64) throws {
        var random = SplitMix(seed: seed)
        for round in 0..<100 {
            let bytes = Self.mutated(using: &random)
            let whole = sendHead(bytes)
            let single = sendHead(bytes.indices.map { bytes[$0...$0] })
            #expect(
                whole == single,
                "seed \(seed), round \(round): \(bytes.wireText.debugDescription)"
            )
            var cuts = (0..<3).map { _ in Int.random(in: 0...bytes.count, using: &random) }
            cuts = [0] + cuts.sorted() + [bytes.count]
            let pieces = zip(cuts, cuts.dropFirst()).map { bytes[$0..<$1] }
            #expect(whole == sendHead(pieces), "seed \(seed), round \(round), cuts \(cuts)")
            try Self.use(whole)
        }
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func `server refuses noise before it has read much`(seed: UInt64) {
        var random = SplitMix(seed: seed)
        let noise = random.bytes(4_096)
        guard case .refuse(let refusal) = sendHead(noise) else {
            Issue.record("seed \(seed): noise was taken for a request")
            return
        }
        #expect(refusal.status == 400, "seed \(seed)")
        #expect(sendHead(Array(noise.prefix(64))) == .refuse(refusal), "seed \(seed)")
    }
}
