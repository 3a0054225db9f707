// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol
import ApusTestSupport
import Testing

@Suite(.rfc6455("10.2"))
struct `Origin policies` {
    @Test(arguments: [
        ("http://example.com", "example.com"), ("https://example.com", "example.com"),
        ("HTTPS://Example.COM", "eXample.com"), ("https://example.com", "example.com:443"),
        ("https://example.com:443", "example.com"), ("http://example.com:80", "example.com:80"),
        ("http://localhost:3001", "localhost:3001"), ("http://127.0.0.1:3001", "127.0.0.1:3001"),
        ("http://[::1]:3001", "[0:0::0:1]:3001"), ("http://[2001:DB8::1]", "[2001:db8:0::1]:80"),
        ("https://example.com", "example.com:"), ("http://a_b", "A_b"),
    ])
    func `same origin has the host and port of the request`(origin: String, host: String) {
        #expect(OriginPolicy.sameOrigin.admits(origin: origin, host: host))
    }

    @Test(arguments: [
        ("null", "example.com"), ("", "example.com"), ("http://", "example.com"),
        ("http://evil.com", "example.com"), ("http://example.com.evil.com", "example.com"),
        ("http://sub.example.com", "example.com"), ("http://xexample.com", "example.com"),
        ("http://example.com.", "example.com"), ("http://example.com:8080", "example.com"),
        ("http://example.com", "example.com:8080"), ("http://example.com", "example.com:443"),
        ("http://example.com:80", "example.com:443"), ("http://[::1]", "[::2]"),
        ("http://[::ffff:127.0.0.1]", "127.0.0.1"), ("http://[1::2::3]", "[1::2::3]"),
        ("chrome-extension://example.com", "example.com"), ("ws://example.com", "example.com"),
        ("file://example.com", "example.com"), ("example.com", "example.com"),
        ("//example.com", "example.com"), ("http:example.com", "example.com"),
        ("http://example.com/", "example.com"), ("http://example.com?", "example.com"),
        ("http://example.com#", "example.com"), ("http://user@example.com", "example.com"),
        ("http://evil.com http://example.com", "example.com"),
        ("http://example.com, http://evil.com", "example.com"),
        ("http://example.com:65536", "example.com:65536"), (" http://example.com", "example.com"),
        ("http://example.com\u{0}", "example.com"), ("http://\u{FFFD}", "\u{FFFD}"),
        ("http://example.com", ""), ("http://*", "example.com"),
    ])
    func `other origins are others, whatever they look like`(origin: String, host: String) {
        #expect(!OriginPolicy.sameOrigin.admits(origin: origin, host: host))
    }

    @Test(arguments: [
        ("https://example.com", "https://example.com"),
        ("https://example.com", "HTTPS://EXAMPLE.com:443"),
        ("https://example.com:443", "https://example.com"),
        ("https://*.example.com", "https://a.example.com"),
        ("https://*.Example.com", "https://a.b.EXAMPLE.com"),
        ("http://*.example.com:81", "http://a.example.com:81"),
        ("https://example.com:*", "https://example.com"),
        ("https://example.com:*", "https://example.com:1"),
        ("http://*.localhost:*", "http://a.localhost:65535"),
        ("http://[::1]:*", "http://[0::1]:3000"), ("http://127.0.0.1", "http://127.0.0.1:80"),
        ("chrome-extension://abcdef", "chrome-extension://abcdef"), ("null", "null"),
    ])
    func `pattern matches its origins`(pattern: String, origin: String) throws {
        let policy = OriginPolicy.allowed([try OriginPattern(pattern)])
        #expect(policy.admits(origin: origin, host: "server"))
    }

    @Test(arguments: [
        ("https://example.com", "http://example.com"),
        ("https://example.com", "https://example.com:444"),
        ("https://example.com", "https://a.example.com"),
        ("https://example.com", "https://example.com.evil.com"),
        ("https://*.example.com", "https://example.com"),
        ("https://*.example.com", "https://.example.com"),
        ("https://*.example.com", "https://evilexample.com"),
        ("https://*.example.com", "https://a.example.com.evil.com"),
        ("https://*.example.com", "https://a.example.com:8443"),
        ("https://*.example.com", "http://a.example.com"),
        ("https://*.example.com", "https://[::1]"),
        ("https://example.com:*", "http://example.com"),
        ("https://example.com:*", "https://example.com:65536"),
        ("https://example.com:*", "https://example.com:1.evil.com"),
        ("http://[::1]", "http://[::2]"), ("null", ""), ("null", "NULL"), ("null", "http://null"),
        ("https://example.com", "null"), ("https://server", "https://server/"),
        ("chrome-extension://abcdef", "chrome-extension://abcdef:1"),
    ])
    func `pattern matches no other`(pattern: String, origin: String) throws {
        let policy = OriginPolicy.allowed([try OriginPattern(pattern)])
        #expect(!policy.admits(origin: origin, host: "server"))
    }

    @Test(arguments: [
        "", "*", "example.com", "https://", "https://*", "https://*.", "https://a.*.com",
        "http*://a",
        "https://*a.com", "https://**.a.com", "https://*.*.a.com", "https://a.com/",
        "https://a.com:*0",
        "https://a.com:1:*", "https://a.com:65536", "https://a.com:x", "https://[::1",
        "https://[g::]",
        "https://*.[::1]", "https://u@a.com", "*://a.com", "https://ä.de", "https://a.com ", "Null",
    ])
    func `pattern is well formed`(pattern: String) {
        #expect(throws: OriginPatternError.malformed(pattern)) { try OriginPattern(pattern) }
    }

    @Test func `same origin can be welcome beside others`() {
        let policy = OriginPolicy.allowed(["https://partner.example"], orSame: true)
        #expect(policy.admits(origin: "https://partner.example", host: "server"))
        #expect(policy.admits(origin: "http://server", host: "server"))
        #expect(!policy.admits(origin: "http://other", host: "server"))
        #expect(!OriginPolicy.allowed([]).admits(origin: "http://server", host: "server"))
    }

    @Test(arguments: [OriginPolicy.any, .sameOrigin, .allowed(["https://a"])])
    func `origin may be missing, unless it must not be`(policy: OriginPolicy) {
        #expect(policy.admits(origin: nil, host: "server"))
        var strict = policy
        strict.admitsMissingOrigin = false
        #expect(!strict.admits(origin: nil, host: "server"))
        #expect(strict.admits(origin: "null", host: "server") == (policy == .any))
    }

    @Test(arguments: ["", "null", "http://a", "no origin", "\u{FFFD}"])
    func `any origin is welcome where any is`(origin: String) {
        #expect(OriginPolicy.any.admits(origin: origin, host: "server"))
    }
}
