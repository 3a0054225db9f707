// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol
import ApusTestSupport
import Testing

@Suite struct `Tunnel through a proxy` {
    private func tunnel(_ url: String = "ws://server.example.com/chat") throws -> ProxyTunnel {
        try ProxyTunnel(to: WebSocketURL(url), deadline: handshakeDeadline)
    }

    /// What comes of a response, whole and cut in two at every place.
    private func answered(_ text: String) throws -> ProxyTunnelAction {
        let bytes = Array(text.utf8)
        var tunnel = try tunnel()
        let whole = tunnel.received(bytes, at: handshakeStart)
        for cut in bytes.indices {
            var other = try self.tunnel()
            let first = other.received(bytes[..<cut], at: handshakeStart)
            guard first == .needMoreBytes else {
                #expect(first == whole, "cut at \(cut)")
                continue
            }
            let action = other.received(bytes[cut...], at: handshakeStart)
            switch (action, whole) {
            case (.established(let consumed), .established(let all)),
                (.refused(_, let consumed), .refused(_, let all)):
                #expect(consumed == all - cut, "cut at \(cut)")
            default:
                #expect(action == whole, "cut at \(cut)")
            }
        }
        return whole
    }

    @Test(.rfc6455("4.1")) func `is asked for with host and port`() throws {
        let expected = """
            CONNECT server.example.com:80 HTTP/1.1\r
            Host: server.example.com:80\r
            \r

            """
        #expect(try tunnel().request.wireText == expected)
        let other = try ProxyTunnel(
            to: WebSocketURL("wss://[::1]/"),
            fields: [HeaderField("Proxy-Authorization", "Basic YTpi")],
            deadline: handshakeDeadline
        )
        #expect(other.request.wireText.hasPrefix("CONNECT [::1]:443 HTTP/1.1\r\n"))
        #expect(other.request.wireText.contains("\r\nProxy-Authorization: Basic YTpi\r\n\r\n"))
    }

    @Test(arguments: ["Host", "connection", "Content-Length", "Transfer-Encoding"])
    func `lets nobody write the fields that are its own`(name: String) {
        #expect(throws: HandshakeError.fieldReserved(name)) {
            _ = try ProxyTunnel(
                to: WebSocketURL("ws://a"),
                fields: [HeaderField(name, "a")],
                deadline: handshakeDeadline
            )
        }
    }

    @Test(arguments: [
        "HTTP/1.1 200 Connection established\r\n\r\n",
        "HTTP/1.0 200 OK\r\nProxy-agent: x\r\n\r\n",
        "HTTP/1.1 100 \r\n\r\nHTTP/1.1 204 \r\nContent-Length: 5\r\n\r\n",
    ])
    func `is there with any success, and what follows is the server's`(text: String) throws {
        let action = try answered(text + "\u{1}")
        #expect(action == .established(consumed: text.utf8.count))
    }

    @Test(arguments: [101, 301, 403, 407, 502, 504])
    func `is refused by any other status`(status: Int) throws {
        let text = "HTTP/1.1 \(status) a\r\nProxy-Authenticate: Basic\r\n\r\n"
        guard case .refused(let head, let consumed) = try answered(text + "body") else {
            Issue.record("not refused")
            return
        }
        #expect(head.status == status)
        #expect(head.firstValue(of: "proxy-authenticate") == "Basic")
        #expect(consumed == text.utf8.count)
    }

    @Test func `fails on what is no response, too late or cut off`() throws {
        #expect(try answered("SSH-2.0-x\r\n") == .fail(.malformedStatusLine))
        #expect(try answered("HTTP/1.1 200 \r\nA: b\n") == .fail(.malformedLineEnd))
        let endless = "HTTP/1.1 200 \r\n" + String(repeating: "A: b\r\n", count: 101)
        #expect(try answered(endless) == .fail(.tooManyFields))
        var late = try tunnel()
        #expect(late.timerFired(at: handshakeStart) == .needMoreBytes)
        #expect(late.timerFired(at: handshakeDeadline) == .fail(.deadlinePassed))
        var gone = try tunnel()
        #expect(gone.transportClosed() == .fail(.connectionClosed))
        #expect(gone.transportClosed() == .needMoreBytes)
    }
}
