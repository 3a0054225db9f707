// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol
import ApusTestSupport
import Testing

@Suite struct `Client handshake machine` {
    private let later = handshakeDeadline.advanced(by: .seconds(1))
    private let response = ResponseDraft.handshake.bytes

    /// An unmasked "Hello" (RFC 6455 §5.7) and the start of another frame.
    @Test(.rfc6455("4.1")) func `leaves the server's first frames to the caller`() throws {
        let frames: [UInt8] = [0x81, 0x05, 0x48, 0x65, 0x6C, 0x6C, 0x6F, 0x81, 0x7E]
        guard case .open(_, "chat", let consumed) = try answerInEveryWay(response + frames) else {
            Issue.record("not open")
            return
        }
        #expect(consumed == response.count)
    }

    @Test func `counts consumed bytes from the start of the last piece`() throws {
        var handshake = try clientHandshake()
        #expect(handshake.received(response[..<50], at: handshakeStart) == .needMoreBytes)
        let rest = Array(response[50...]) + [0x81]
        guard case .open(let head, _, let consumed) = handshake.received(rest, at: handshakeStart)
        else {
            Issue.record("not open")
            return
        }
        #expect(consumed == response.count - 50)
        #expect(head.status == 101)
        #expect(head.reason == "Switching Protocols")
        #expect(head.firstValue(of: "upgrade") == "websocket")
    }

    @Test func `ignores empty pieces`() throws {
        var handshake = try clientHandshake()
        #expect(handshake.received([UInt8](), at: handshakeStart) == .needMoreBytes)
        #expect(ResponseOutcome(handshake.received(response, at: handshakeStart)) == .open)
    }

    @Test(arguments: [100, 102, 103, 199])
    func `reads over interim responses`(status: Int) throws {
        let interim = Array("HTTP/1.1 \(status) a\r\nLink: </a>\r\n\r\n".utf8)
        guard case .open(let head, _, let consumed) = try answerInEveryWay(interim + response)
        else {
            Issue.record("not open")
            return
        }
        #expect(consumed == interim.count + response.count)
        #expect(head.fieldCount == 4)
        let eight = [[UInt8]](repeating: interim, count: 8).joined()
        #expect(ResponseOutcome(try answerInEveryWay(eight + response)) == .open)
        #expect(try answerInEveryWay(eight + interim) == .fail(.tooManyInterimResponses))
    }

    @Test func `fails at the deadline and not before`() throws {
        var handshake = try clientHandshake()
        #expect(handshake.received(response.dropLast(), at: handshakeStart) == .needMoreBytes)
        let before = Instant(nanoseconds: handshakeDeadline.nanoseconds - 1)
        #expect(handshake.timerFired(at: before) == .needMoreBytes)
        #expect(handshake.timerFired(at: handshakeDeadline) == .fail(.deadlinePassed))
        #expect(handshake.timerFired(at: later) == .needMoreBytes)
        #expect(handshake.received(response.suffix(1), at: later) == .needMoreBytes)
    }

    @Test func `bytes now and then do not move the deadline`() throws {
        var handshake = try clientHandshake()
        #expect(handshake.received(response[..<1], at: handshakeStart) == .needMoreBytes)
        #expect(
            handshake.received(response[1..<2], at: handshakeDeadline) == .fail(.deadlinePassed)
        )
    }

    @Test func `takes a response whose end is read late`() throws {
        var handshake = try clientHandshake()
        #expect(ResponseOutcome(handshake.received(response, at: later)) == .open)
    }

    @Test func `fails when the server goes before it has answered`() throws {
        var handshake = try clientHandshake()
        #expect(handshake.received(response.dropLast(), at: handshakeStart) == .needMoreBytes)
        #expect(handshake.transportClosed() == .fail(.connectionClosed))
        #expect(handshake.transportClosed() == .needMoreBytes)
    }

    @Test(arguments: [
        ResponseDraft.handshake.bytes, ResponseDraft.handshake.answering("HTTP/1.1 404 a").bytes,
        [0],
    ])
    func `ignores everything after it has decided`(bytes: [UInt8]) throws {
        var handshake = try clientHandshake()
        #expect(handshake.received(bytes, at: handshakeStart) != .needMoreBytes)
        #expect(handshake.received(response, at: handshakeStart) == .needMoreBytes)
        #expect(handshake.timerFired(at: later) == .needMoreBytes)
        #expect(handshake.transportClosed() == .needMoreBytes)
    }
}

@Suite struct `Limits of a response` {
    private func response(adding fields: [String]) -> [UInt8] {
        var draft = ResponseDraft.handshake
        draft.fields += fields
        return draft.bytes
    }

    @Test func `takes a head of the limit and none that is longer`() throws {
        let filler = 16_384 - response(adding: []).count
        // Three lines, since one may have 8 KiB.
        func padded(_ count: Int) -> [UInt8] {
            let lines = [8_000, 8_000, count - 16_000].map { count in
                "X:" + String(repeating: "a", count: count - 4)
            }
            return response(adding: lines)
        }
        #expect(padded(filler).count == 16_384)
        #expect(ResponseOutcome(try answerInEveryWay(padded(filler))) == .open)
        #expect(try answerInEveryWay(padded(filler + 1)) == .fail(.headTooLong))
    }

    @Test func `takes 100 fields and not one more`() throws {
        let lines = [String](repeating: "X: a", count: 96)
        #expect(ResponseOutcome(try answerInEveryWay(response(adding: lines))) == .open)
        let more = response(adding: lines + ["X: a"])
        #expect(try answerInEveryWay(more) == .fail(.tooManyFields))
    }

    @Test func `takes lines of the limit and none that are longer`() throws {
        func field(_ count: Int) -> [UInt8] {
            response(adding: ["X:" + String(repeating: "a", count: count - 2)])
        }
        #expect(ResponseOutcome(try answerInEveryWay(field(8_192))) == .open)
        #expect(try answerInEveryWay(field(8_193)) == .fail(.fieldLineTooLong))
        func status(_ count: Int) -> [UInt8] {
            let line = "HTTP/1.1 101 "
            let reason = String(repeating: "a", count: count - line.utf8.count)
            return ResponseDraft.handshake.answering(line + reason).bytes
        }
        #expect(ResponseOutcome(try answerInEveryWay(status(8_192))) == .open)
        #expect(try answerInEveryWay(status(8_193)) == .fail(.statusLineTooLong))
    }
}
