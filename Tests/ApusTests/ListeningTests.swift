// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import Testing

@Suite struct `What an operator is told` {
    @Test func `has a line for each address`() {
        let listening = WebSocketServer.Listening(
            addresses: [
                (.tcp(host: "localhost", port: 0), "127.0.0.1:3001"),
                (.tcp(host: "localhost", port: 0), "127.0.0.1:3002"),
                (.unix(path: "/run/apus"), "/run/apus"),
            ],
            isSecure: [false, true, false],
            workerCount: 2,
            supervisor: 1234
        )
        #expect(
            "\(listening)" == """
                listening on ws://127.0.0.1:3001 with 2 workers (supervisor 1234)
                listening on wss://127.0.0.1:3002 with 2 workers (supervisor 1234)
                listening on ws+unix:/run/apus with 2 workers (supervisor 1234)
                """
        )
    }

    @Test func `knows one worker from several`() {
        let listening = WebSocketServer.Listening(
            addresses: [(.tcp(host: "::1", port: 80), "[::1]:80")],
            isSecure: [false],
            workerCount: 1,
            supervisor: 7
        )
        #expect("\(listening)" == "listening on ws://[::1]:80 with 1 worker (supervisor 7)")
    }
}
