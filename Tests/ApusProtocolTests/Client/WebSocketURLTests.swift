// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol
import ApusTestSupport
import Testing

@Suite(.rfc6455("3"))
struct `WebSocket URLs` {
    struct Parts: Equatable {
        var isSecure = false
        var host: String
        var port: UInt16 = 80
        var resource = "/"
        var hostField: String
    }

    @Test(arguments: [
        ("ws://example.com", Parts(host: "example.com", hostField: "example.com")),
        (
            "WS://Example.com:8080/chat?a=b/c?d",
            Parts(
                host: "Example.com",
                port: 8080,
                resource: "/chat?a=b/c?d",
                hostField: "Example.com:8080"
            )
        ),
        ("wss://a/", Parts(isSecure: true, host: "a", port: 443, hostField: "a")),
        ("wss://a:443/", Parts(isSecure: true, host: "a", port: 443, hostField: "a")),
        ("wss://a:80/", Parts(isSecure: true, host: "a", hostField: "a:80")),
        ("ws://a:443/", Parts(host: "a", port: 443, hostField: "a:443")),
        ("ws://a:/b", Parts(host: "a", resource: "/b", hostField: "a")),
        ("ws://a?b", Parts(host: "a", resource: "/?b", hostField: "a")),
        ("ws://[::1]", Parts(host: "::1", hostField: "[::1]")),
        (
            "ws://[2001:db8::1.2.3.4]:9/",
            Parts(host: "2001:db8::1.2.3.4", port: 9, hostField: "[2001:db8::1.2.3.4]:9")
        ),
        (
            "ws://127.0.0.1:65535/%20",
            Parts(
                host: "127.0.0.1",
                port: 65535,
                resource: "/%20",
                hostField: "127.0.0.1:65535"
            )
        ),
        ("ws://a:00080/@?@:", Parts(host: "a", resource: "/@?@:", hostField: "a")),
    ])
    func `has host, port and resource`(text: String, parts: Parts) throws {
        let url = try WebSocketURL(text)
        #expect(
            Parts(
                isSecure: url.isSecure,
                host: url.host,
                port: url.port,
                resource: url.resource,
                hostField: url.hostField
            ) == parts
        )
        #expect(try WebSocketURL("\(url)") == url)
    }

    @Test(arguments: [
        ("", WebSocketURLError.schemeNotWebSocket),
        ("ws", .schemeNotWebSocket),
        ("ws:/a", .schemeNotWebSocket),
        ("http://a", .schemeNotWebSocket),
        ("wsx://a", .schemeNotWebSocket),
        (" ws://a", .schemeNotWebSocket),
        ("ws://a/#b", .fragment),
        ("ws://a#", .fragment),
        ("ws://b@a/", .userInformation),
        ("ws://b:c@a/", .userInformation),
        ("ws://", .hostInvalid),
        ("ws:///a", .hostInvalid),
        ("ws://:80/", .hostInvalid),
        ("ws://::1/", .hostInvalid),
        ("ws://[::1/", .hostInvalid),
        ("ws://[::1]a/", .hostInvalid),
        ("ws://[a]/", .hostInvalid),
        ("ws://[fe80::1%25eth0]/", .hostInvalid),
        ("ws://a b/", .hostInvalid),
        ("ws://a\r\nb/", .hostInvalid),
        ("ws://a\\b/", .hostInvalid),
        ("ws://ä/", .hostInvalid),
        ("ws://a%41/", .hostInvalid),
        ("ws://a:0/", .portInvalid),
        ("ws://a:65536/", .portInvalid),
        ("ws://a:999999/", .portInvalid),
        ("ws://a:+1/", .portInvalid),
        ("ws://a:1:2/", .portInvalid),
        ("ws://a/ b", .resourceInvalid),
        ("ws://a/\r\nX: y", .resourceInvalid),
        ("ws://a/ä", .resourceInvalid),
        ("ws://a?\u{7F}", .resourceInvalid),
    ])
    func `is refused where it is none`(text: String, error: WebSocketURLError) {
        #expect(throws: error) { _ = try WebSocketURL(text) }
    }

    @Test func `names the port to a proxy even where it is the usual one`() throws {
        #expect(try WebSocketURL("ws://a/").authority == "a:80")
        #expect(try WebSocketURL("wss://[::1]/").authority == "[::1]:443")
    }
}
