// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol

/// As Chromium sends it.
private let requestHead = [
    "GET /rooms/42/talk?from=yesterday HTTP/1.1",
    "Host: talk.example.com:8080",
    "Connection: Upgrade",
    "Pragma: no-cache",
    "Cache-Control: no-cache",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)"
        + " Chrome/140.0.0.0 Safari/537.36",
    "Upgrade: websocket",
    "Origin: https://www.example.com",
    "Sec-WebSocket-Version: 13",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Accept-Language: en-US,en;q=0.9",
    "Cookie: session=6cf0a1",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
    "Sec-WebSocket-Protocol: talk",
]

/// No longer than it has to be, as load generators send it.
private let shortRequestHead = [
    "GET / HTTP/1.1",
    "Host: 127.0.0.1:8080",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
]

private let responseHead = [
    "HTTP/1.1 101 Switching Protocols",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
    "Sec-WebSocket-Protocol: talk",
]

private func bytes(_ lines: [String]) -> [UInt8] {
    Array((lines.map { $0 + "\r\n" }.joined() + "\r\n").utf8)
}

/// Opening handshakes, from the first byte to the last.
func handshakes() {
    let deadline = now.advanced(by: .seconds(10))
    func isAccepted(_ request: [UInt8], protocol subprotocol: String?) -> Bool {
        var machine = HandshakeStateMachine(deadline: deadline)
        guard case .upgrade(let upgrade, request.count) = machine.received(request.span, at: now)
        else { return false }
        do {
            return try upgrade.acceptance(protocol: subprotocol).count > 100
        } catch {
            return false
        }
    }
    let request = bytes(requestHead)
    workload("opening handshake of a server") { isAccepted(request, protocol: "talk") }
    let shortRequest = bytes(shortRequestHead)
    workload("opening handshake of a server, short") { isAccepted(shortRequest, protocol: nil) }

    let response = bytes(responseHead)
    let nonce = Array("the sample nonce".utf8)
    workload("opening handshake of a client") {
        do {
            let url = try WebSocketURL("ws://talk.example.com:8080/rooms/42/talk")
            var handshake = try ClientHandshake(
                url: url,
                protocols: ["talk"],
                nonce: nonce,
                deadline: deadline
            )
            guard case .open(_, "talk", response.count) = handshake.received(response.span, at: now)
            else { return false }
            return handshake.request.count > 100
        } catch {
            return false
        }
    }
}

/// Who is let in, and where to.
func admission() {
    var routes = RouteTable<Int>()
    let patterns = ["/", "/chat", "/rooms/:room", "/rooms/:room/talk", "/rooms/lobby/talk", "/**"]
    for (route, pattern) in patterns.enumerated() {
        do {
            let isNew = try routes.insert(route, at: RoutePattern(pattern), protocol: .any)
            precondition(isNew, "\(pattern) twice")
        } catch {
            preconditionFailure("\(pattern): \(error)")
        }
    }
    workload("route of a path with a parameter") {
        guard
            case .route(3, protocol: "talk", let parameters) = routes.match(
                path: "/rooms/42/talk",
                offers: ["talk"]
            )
        else { return false }
        return parameters["room"] == "42"
    }

    let policy = OriginPolicy.allowed(["https://example.com", "https://*.example.com"])
    workload("origin among two patterns") {
        policy.admits(origin: "https://www.example.com", host: "talk.example.com:8080")
    }
    workload("origin of the same host") {
        OriginPolicy.sameOrigin.admits(
            origin: "https://talk.example.com:8080",
            host: "talk.example.com:8080"
        )
    }
}
