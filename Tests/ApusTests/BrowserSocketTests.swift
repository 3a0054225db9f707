// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusCodec
import ApusTestSupport
import Testing

/// The interface of web pages, as the WHATWG standard has it.
@Suite struct `Sockets as web pages know them` {
    /// A socket on a virtual server, and what it was told.
    @WorkerActor
    private final class Page {
        let test: ClientWorld
        let socket: WebSocket
        var events: [String] = []
        var closes: [WebSocket.CloseEvent] = []

        init(
            _ url: String = "ws://10.0.0.1",
            protocols: [String] = [],
            _ prepare: @escaping (VirtualServer) -> Void = { _ in }
        ) throws {
            test = ClientWorld()
            test.prepare = prepare
            socket = try WebSocket(url, protocols: protocols, client: test.client)
            socket.onOpen { [unowned self] in events.append("open") }
            socket.onMessage { [unowned self] in events.append("\($0)") }
            socket.onError { [unowned self] in
                #expect(socket.readyState == .closed)
                #expect(!$0.message.isEmpty)
                events.append("error")
            }
            socket.onClose { [unowned self] in
                #expect(socket.readyState == .closed)
                events.append("close")
                closes.append($0)
            }
        }

        var server: VirtualServer { test.servers[0] }

        func open() throws {
            try test.world.run { socket.readyState == .open }
        }

        func finish() throws {
            try test.world.run { !closes.isEmpty }
            try test.expectIdle()
        }
    }

    private func event(
        _ code: UInt16,
        _ reason: String = "",
        wasClean: Bool
    ) -> WebSocket.CloseEvent {
        WebSocket.CloseEvent(code: CloseCode(rawValue: code), reason: reason, wasClean: wasClean)
    }

    @Test func `life of a socket that closes cleanly`() throws {
        try inWorker {
            let page = try Page("WS://10.0.0.1:80?a", protocols: ["chat"]) { $0.echoes = true }
            let socket = page.socket
            #expect(socket.url == "ws://10.0.0.1/?a")
            #expect(socket.readyState == .connecting && socket.readyState.rawValue == 0)
            #expect(socket.protocol == "" && socket.extensions == "" && socket.bufferedAmount == 0)
            #expect(socket.binaryType.rawValue == "arraybuffer")
            #expect(throws: WebSocketError.connecting) { try socket.send("early") }
            #expect(throws: WebSocketError.connecting) { try socket.send([1]) }
            try page.open()
            #expect(socket.protocol == "chat" && socket.readyState.rawValue == 1)
            try socket.send("hello")
            try socket.send([1, 2])
            #expect(socket.bufferedAmount >= 7)
            try page.test.world.run { page.events.count == 3 }
            #expect(socket.bufferedAmount == 0)
            try socket.close(code: CloseCode(rawValue: 4000), reason: "bye")
            #expect(socket.readyState == .closing && page.closes.isEmpty)
            try page.finish()
            #expect(page.events == ["open", "text(\"hello\")", "bytes([1, 2])", "close"])
            #expect(page.closes == [event(4000, "bye", wasClean: true)])
            #expect(socket.readyState.rawValue == 3 && socket.protocol == "chat")
        }
    }

    /// WebSocket-Node loses them.
    @Test func `empty messages arrive`() throws {
        try inWorker {
            let page = try Page { server in
                server.greeting = VirtualServer.frame(1, []) + VirtualServer.frame(2, [])
            }
            try page.test.world.run { page.events.count == 3 }
            #expect(page.events == ["open", "text(\"\")", "bytes([])"])
            try page.socket.send("")
            try page.socket.send([])
            try page.test.world.run { page.server.frames.count == 2 }
            #expect(page.server.frames.map(\.opcode) == [1, 2])
        }
    }

    // MARK: Closing

    @Test(
        arguments: [
            (nil, "", []), (1000, "", [3, 232]), (3000, "é", [11, 184, 0xC3, 0xA9]),
            (4999, "", [19, 135]), (nil, "a", [3, 232, 0x61]),
        ] as [(UInt16?, String, [UInt8])]
    )
    func `code and reason are what close is given`(
        code: UInt16?,
        reason: String,
        payload: [UInt8]
    ) throws {
        try inWorker {
            let page = try Page()
            try page.open()
            try page.socket.close(code: code.map { CloseCode(rawValue: $0) }, reason: reason)
            try page.finish()
            #expect(page.server.frames.map(\.payload) == [payload])
            let told = event(payload.isEmpty ? 1005 : (code ?? 1000), reason, wasClean: true)
            #expect(page.closes == [told])
            #expect(page.events == ["open", "close"])
        }
    }

    @Test(arguments: [0, 999, 1001, 1002, 1005, 1006, 1011, 1015, 2999, 5000, 65535])
    func `code that pages may not send is refused`(code: UInt16) throws {
        try inWorker {
            let page = try Page()
            for _ in 0..<2 {
                #expect(throws: WebSocketError.invalidCloseCode(code)) {
                    try page.socket.close(code: CloseCode(rawValue: code))
                }
                try page.open()
                #expect(page.socket.readyState == .open)
            }
        }
    }

    @Test func `reason of more than 123 bytes is refused`() throws {
        try inWorker {
            let page = try Page()
            try page.open()
            let longest = String(repeating: "é", count: 61) + "e"
            #expect(throws: WebSocketError.closeReasonTooLong) {
                try page.socket.close(code: .normalClosure, reason: longest + "e")
            }
            #expect(page.socket.readyState == .open)
            try page.socket.close(code: .normalClosure, reason: longest)
            try page.finish()
            #expect(page.closes == [event(1000, longest, wasClean: true)])
        }
    }

    enum Moment: CaseIterable { case begun, connecting, handshaking, answered }

    @Test(arguments: Moment.allCases)
    func `close while connecting is told as an error and an unclean end`(moment: Moment) throws {
        try inWorker {
            let page = try Page { $0.answersRequest = false }
            switch moment {
            case .begun: break
            case .connecting:
                page.test.answers[80] = .silence
                try page.test.world.run(milliseconds: 1)
            case .handshaking: try page.test.world.run { page.test.servers.first?.request != nil }
            case .answered:
                try page.test.world.run { page.test.servers.first?.request != nil }
                page.server.accept()
            }
            try page.socket.close(code: .normalClosure)
            #expect(page.events.isEmpty, "no handler is called within close")
            #expect(page.socket.readyState == .closing)
            try page.socket.send("lost")
            try page.finish()
            #expect(page.events == ["error", "close"])
            #expect(page.closes == [event(1006, wasClean: false)])
            #expect(page.socket.bufferedAmount == 4)
            try page.test.world.run(milliseconds: 20_000)
            #expect(page.closes.count == 1)
        }
    }

    @Test func `close in the turn of the answer is told as an unclean end`() throws {
        try inWorker {
            let test = ClientWorld()
            var events: [String] = []
            let sockets = try ["a", "b"].map { _ in
                try WebSocket("ws://10.0.0.1", client: test.client)
            }
            for (name, socket) in zip(["a", "b"], sockets) {
                socket.onOpen {
                    events.append("open \(name)")
                    for other in sockets where other !== socket { try other.close() }
                }
                socket.onError { _ in events.append("error \(name)") }
                socket.onClose { events.append("close \(name) \($0.code.rawValue)") }
            }
            try test.world.run { events.count == 3 }
            #expect(
                [["open a", "error b", "close b 1006"], ["open b", "error a", "close a 1006"]]
                    .contains(events)
            )
            for socket in sockets { try socket.close() }
            try test.expectIdle()
        }
    }

    @Test func `close twice, or on a closed socket, does nothing`() throws {
        try inWorker {
            let page = try Page()
            try page.open()
            try page.socket.close()
            try page.socket.close(code: CloseCode(rawValue: 3000))
            try page.finish()
            try page.socket.close()
            #expect(page.server.frames.count == 1)
            #expect(page.events == ["open", "close"])
        }
    }

    // MARK: Ends

    @Test(
        arguments: [
            ([], 1005, ""), ([3, 233], 1001, ""), ([3, 243, 0x61, 0x62], 1011, "ab"),
            ([3, 234], 1002, ""),
        ] as [([UInt8], UInt16, String)]
    )
    func `server's Close is clean whatever its code`(
        payload: [UInt8],
        code: UInt16,
        reason: String
    ) throws {
        try inWorker {
            let page = try Page()
            try page.open()
            page.server.send(8, payload)
            try page.finish()
            #expect(page.closes == [event(code, reason, wasClean: true)])
            #expect(page.events == ["open", "close"])
        }
    }

    /// What a server does, and whether the socket was open before.
    struct Mishap: CustomTestStringConvertible, Sendable {
        let testDescription: String
        var wasOpen = true
        var closesBefore = false
        let act: @Sendable (VirtualServer) -> Void
    }

    @Test(arguments: [
        Mishap(testDescription: "ends") { $0.end() },
        Mishap(testDescription: "resets") { $0.reset() },
        Mishap(testDescription: "breaks a rule") { $0.write([0x83, 0]) },
        Mishap(testDescription: "sends a Close of one byte") { $0.send(8, [3]) },
        Mishap(testDescription: "sends too much") {
            $0.write([0x82, 127, 0, 0, 0, 1, 0, 0, 0, 0])
        },
        Mishap(testDescription: "ends without a Close", closesBefore: true) { $0.end() },
        Mishap(testDescription: "keeps silent", closesBefore: true) { _ in },
        Mishap(testDescription: "refuses", wasOpen: false) {
            $0.response = Array("HTTP/1.1 403 a\r\n\r\n".utf8)
        },
        Mishap(testDescription: "breaks the handshake", wasOpen: false) {
            $0.response = [0, 13, 10]
        },
    ])
    func `what is not clean is told as an error and an unclean end`(mishap: Mishap) throws {
        try inWorker {
            let page = try Page { server in
                if !mishap.wasOpen { mishap.act(server) }
                server.answersClose = false
                server.endsAfterClose = false
            }
            if mishap.wasOpen {
                try page.open()
                if mishap.closesBefore { try page.socket.close() }
                mishap.act(page.server)
            }
            try page.test.world.run { !page.closes.isEmpty }
            #expect(page.events == (mishap.wasOpen ? ["open"] : []) + ["error", "close"])
            #expect(page.closes == [event(1006, wasClean: false)])
            page.test.servers.first?.end()
            try page.test.expectIdle()
        }
    }

    // MARK: Amounts

    @Test func `what waits is buffered, and what comes too late stays so`() throws {
        try inWorker {
            let page = try Page()
            try page.open()
            page.server.isReading = false
            let bytes = [UInt8](repeating: 1, count: 1 << 20)
            try page.socket.send(bytes)
            try page.test.world.run(milliseconds: 10)
            let waiting = page.socket.bufferedAmount
            #expect(waiting > 500_000)
            try page.socket.close()
            try page.socket.send("héllo")
            try page.socket.send([1, 2, 3])
            #expect(page.socket.bufferedAmount >= waiting + 9)
            page.server.isReading = true
            page.test.world.ring.after(0) {}
            try page.finish()
            #expect(page.server.messages == [bytes])
            #expect(page.socket.bufferedAmount == 9)
            try page.socket.send("a")
            #expect(page.socket.bufferedAmount == 10)
        }
    }

    @Test func `what a broken connection had not sent stays buffered`() throws {
        try inWorker {
            let page = try Page()
            try page.open()
            page.server.isReading = false
            try page.socket.send([UInt8](repeating: 1, count: 1 << 20))
            try page.test.world.run(milliseconds: 10)
            let waiting = page.socket.bufferedAmount
            page.server.reset()
            try page.finish()
            #expect(page.socket.bufferedAmount == waiting)
        }
    }

    // MARK: Mistakes

    @Test(arguments: ["", "/", "http://a/", "ws://a/#b"])
    func `URL that is none is refused at once`(url: String) {
        inWorker {
            let test = ClientWorld()
            #expect(throws: WebSocketError.self) { try WebSocket(url, client: test.client) }
            #expect(throws: WebSocketError.self) {
                try WebSocket("ws://a", protocols: ["a", "a"], client: test.client)
            }
            test.expectNothingHeld()
        }
    }

    @Test func `handler that throws closes, and every handler of the end is called`() throws {
        try inWorker {
            struct Mistake: Error {}
            let page = try Page { $0.greeting = VirtualServer.frame(1, []) }
            page.socket.onMessage { _ in throw Mistake() }
            page.socket.onError { _ in
                page.events.append("error")
                throw Mistake()
            }
            try page.finish()
            #expect(page.events == ["open", "error", "close"])
            #expect(page.server.closeCode == 1011)
            #expect(page.test.world.driver.counters.handlerErrors == 2)
        }
    }

    @Test func `socket is let go of once it is over`() throws {
        try inWorker {
            weak var gone: WebSocket?
            let test = ClientWorld()
            do {
                let socket = try WebSocket("ws://10.0.0.1", client: test.client)
                socket.onOpen { try socket.close() }
                socket.onClose { _ in #expect(socket.readyState == .closed) }
                gone = socket
            }
            try test.world.run { test.servers.first?.closeCode != nil || gone == nil }
            try test.expectIdle()
            #expect(test.servers.count == 1)
            #expect(gone == nil)
        }
    }
}
