// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol
import ApusTestSupport
import Testing

@Suite struct `Client handshake under random bytes` {
    private static let pieces = [
        "\r\n", "\r", "\n", " ", "\t", ":", ",", "\u{0}", "\u{FF}", "HTTP/1.1 101 a\r\n",
        "HTTP/1.1 100 \r\n\r\n", "HTTP/1.0", "200", "websocket", "Upgrade", "close",
        "Content-Length: 1\r\n", "Sec-WebSocket-Protocol: superchat\r\n", "chat",
        "Sec-WebSocket-Extensions: a\r\n", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "\r\n\r\n",
    ].map { Array($0.utf8) }

    private static func mutated(using random: inout SplitMix) -> [UInt8] {
        let drafts = [
            ResponseDraft.handshake, .handshake.adding("Sec-WebSocket-Extensions:"),
            ResponseDraft(statusLine: "HTTP/1.1 404 Not Found", fields: ["Content-Length: 0"]),
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

    /// Asks for everything that a head can be asked for, and holds what opened to the rules again.
    private static func use(_ action: ClientHandshakeAction, _ context: Comment) {
        switch action {
        case .needMoreBytes, .fail: break
        case .httpResponse(let head, _): use(head, context)
        case .open(let head, let selection, let consumed):
            use(head, context)
            #expect(consumed > 0 && head.status == 101, context)
            #expect(head.values(of: "Sec-WebSocket-Accept") == ["s3pPLMBiTxaQ9kYGzzhZRbK+xOo="])
            #expect(head.values(of: "Sec-WebSocket-Protocol") == [selection], context)
            #expect(head.list(of: "Connection", contains: "upgrade"), context)
            #expect(["chat", "superchat"].contains(selection), context)
        }
    }

    private static func use(_ head: ResponseHead, _ context: Comment) {
        for index in 0..<head.fieldCount {
            #expect(head.hasField(head.name(at: index)), context)
            #expect(!head.value(at: index).utf8.contains { $0 == 13 || $0 == 10 }, context)
        }
        #expect(!head.reason.utf8.contains { $0 == 13 || $0 == 10 }, context)
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func `client decides the same whatever the pieces`(seed: UInt64) throws {
        var random = SplitMix(seed: seed)
        for round in 0..<100 {
            let bytes = Self.mutated(using: &random)
            let context: Comment =
                "seed \(seed), round \(round): \(bytes.wireText.debugDescription)"
            let whole = try answer([bytes[...]])
            #expect(try answer(bytes.indices.map { bytes[$0...$0] }) == whole, context)
            var cuts = (0..<3).map { _ in Int.random(in: 0...bytes.count, using: &random) }
            cuts = [0] + cuts.sorted() + [bytes.count]
            let pieces = zip(cuts, cuts.dropFirst()).map { bytes[$0..<$1] }
            #expect(try answer(pieces) == whole, context)
            Self.use(whole, context)
        }
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func `client fails on noise at its first byte`(seed: UInt64) throws {
        var random = SplitMix(seed: seed)
        let noise = [UInt8(seed)] + random.bytes(64)
        #expect(try answer([noise[..<1]]) == .fail(.malformedStatusLine), "seed \(seed)")
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func `URL is read or refused, whatever it is`(seed: UInt64) {
        var random = SplitMix(seed: seed)
        let alphabet = Array("ws:/[]@#?%.:019a \\\r\nä".unicodeScalars)
        for _ in 0..<500 {
            let count = Int.random(in: 0...12, using: &random)
            var text = "ws://"
            for _ in 0..<count {
                text.unicodeScalars.append(alphabet.randomElement(using: &random) ?? "a")
            }
            guard let url = try? WebSocketURL(text) else { continue }
            #expect(!url.host.isEmpty && url.port > 0 && url.resource.hasPrefix("/"), "\(text)")
            #expect(url.hostField.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }, "\(text)")
        }
    }
}
