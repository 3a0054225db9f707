// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol
import ApusTestSupport
import Glibc
import Testing

@Suite struct `Cookies to set` {
    @Test func `is a pair and the attributes that it was given`() throws {
        #expect(try SetCookie("a", "b").fieldValue == "a=b")
        let cookie = try SetCookie(
            "session",
            "31d4d96e=407aad42",
            domain: "Example.COM",
            path: "/chat",
            expires: 784_111_777,
            maxAge: -1,
            isSecure: true,
            isHTTPOnly: true,
            sameSite: SetCookie.SameSite.none,
            isPartitioned: true
        )
        #expect(
            cookie.fieldValue
                == "session=31d4d96e=407aad42; Expires=Sun, 06 Nov 1994 08:49:37 GMT; "
                + "Max-Age=-1; Domain=example.com; Path=/chat; Secure; HttpOnly; SameSite=None; "
                + "Partitioned"
        )
    }

    @Test func `can be cleared by an empty value`() throws {
        #expect(try SetCookie("a", "", maxAge: 0).fieldValue == "a=; Max-Age=0")
    }

    @Test(arguments: ["", "\"\"", "\"a\"", "a=b", "!#$%&'()*+-./:<=>?@[]^_`{|}~", "\u{21}\u{7E}"])
    func `has a value of cookie octets`(value: String) throws {
        #expect(try SetCookie("a", value).fieldValue == "a=\(value)")
    }

    @Test(arguments: [
        " ", "a b", "a,b", "a;b", "a\\b", "\"", "\"a", "a\"", "\"a\"b\"", "ä", "\u{7F}", "\t",
        "a\r\nSet-Cookie: c=d",
    ])
    func `has no other bytes in its value`(value: String) {
        #expect(throws: SetCookieError.valueInvalid(name: "a")) { try SetCookie("a", value) }
    }

    @Test(arguments: ["", "a b", "a=b", "a;", "ä", "a\r\n", "\"a\"", "a,b", "[a]"])
    func `has a token as its name`(name: String) {
        #expect(throws: SetCookieError.nameInvalid(name)) { try SetCookie(name, "") }
    }

    @Test func `is no longer than browsers take`() throws {
        let value = String(repeating: "v", count: 4_095)
        #expect(try SetCookie("a", value).value == value)
        #expect(throws: SetCookieError.tooLong(name: "ab")) { try SetCookie("ab", value) }
    }

    @Test(arguments: ["example.com", "a", "A-1.b", "127.0.0.1", String(repeating: "a", count: 63)])
    func `takes host names as domains`(domain: String) throws {
        #expect(try SetCookie("a", "", domain: domain).domain == domain.lowercased())
    }

    @Test(arguments: [
        "", ".", ".example.com", "example.com.", "a..b", "-a", "a-", "a_b", "ä.de", "a b", "a;b",
        "a:1", "[::1]", String(repeating: "a", count: 64),
        String(repeating: "a.", count: 127) + "b",
    ])
    func `takes nothing else as a domain`(domain: String) {
        #expect(throws: SetCookieError.domainInvalid(domain)) {
            try SetCookie("a", "", domain: domain)
        }
    }

    @Test(arguments: ["", "a", "a/b", "/a;b", "/a b", "/ä", "/\r\n", "/\u{7F}"])
    func `takes absolute paths only`(path: String) throws {
        #expect(throws: SetCookieError.pathInvalid(path)) { try SetCookie("a", "", path: path) }
        #expect(try SetCookie("a", "", path: "/a,b=%20").path == "/a,b=%20")
        let longest = "/" + String(repeating: "p", count: 1_023)
        #expect(try SetCookie("a", "", path: longest).path == longest)
        #expect(throws: SetCookieError.pathInvalid(longest + "p")) {
            try SetCookie("a", "", path: longest + "p")
        }
    }

    @Test func `is secure where it is for all sites or partitioned`() throws {
        #expect(throws: SetCookieError.secureMissing(name: "a")) {
            try SetCookie("a", "", sameSite: SetCookie.SameSite.none)
        }
        #expect(throws: SetCookieError.secureMissing(name: "a")) {
            try SetCookie("a", "", isPartitioned: true)
        }
        #expect(try SetCookie("a", "", sameSite: .lax).fieldValue == "a=; SameSite=Lax")
        #expect(try SetCookie("a", "", sameSite: .strict).fieldValue == "a=; SameSite=Strict")
    }

    @Test func `keeps what the prefix of its name promises`() throws {
        for name in ["__Secure-a", "__SECURE-", "__Host-a", "__host-a"] {
            #expect(throws: SetCookieError.prefixBroken(name: name)) {
                try SetCookie(name, "", path: "/")
            }
            #expect(try SetCookie(name, "", path: "/", isSecure: true).name == name)
        }
        #expect(throws: SetCookieError.prefixBroken(name: "__Host-a")) {
            try SetCookie("__Host-a", "", isSecure: true)
        }
        #expect(throws: SetCookieError.prefixBroken(name: "__Host-a")) {
            try SetCookie("__Host-a", "", domain: "a", path: "/", isSecure: true)
        }
        #expect(try SetCookie("__Hosta", "").name == "__Hosta")
    }

    @Test(
        arguments: [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"), (-1, "Wed, 31 Dec 1969 23:59:59 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (4_107_542_399, "Sun, 28 Feb 2100 23:59:59 GMT"),
            (-11_644_473_600, "Mon, 01 Jan 1601 00:00:00 GMT"),
            (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ] as [(Int64, String)]
    )
    func `ends at a date`(seconds: Int64, date: String) throws {
        #expect(try SetCookie("a", "", expires: seconds).fieldValue == "a=; Expires=\(date)")
    }

    @Test(arguments: [-11_644_473_601, 253_402_300_800, .min, .max] as [Int64])
    func `ends in no year that browsers do not read`(seconds: Int64) {
        #expect(throws: SetCookieError.expiresInvalid(seconds)) {
            try SetCookie("a", "", expires: seconds)
        }
    }

    @Test func `has the dates that the system's calendar has`() throws {
        var random = SplitMix(seed: 1)
        for _ in 0..<2_000 {
            let seconds = Int64.random(in: -11_644_473_600...253_402_300_799, using: &random)
            var time = time_t(seconds)
            var parts = unsafe tm()
            unsafe gmtime_r(&time, &parts)
            let expected = unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) {
                text in
                let format = "a=; Expires=%a, %d %b %Y %H:%M:%S GMT"
                let count = unsafe strftime(text.baseAddress, text.count, format, &parts)
                return unsafe String(
                    decoding: text.prefix(count).map { UInt8(bitPattern: $0) },
                    as: UTF8.self
                )
            }
            #expect(try SetCookie("a", "", expires: seconds).fieldValue == expected)
        }
    }
}

extension `Acceptances` {
    @Test func `sets each cookie by a field of its own`() throws {
        let request = try upgradeRequest(HeadDraft.handshake)
        let cookies = [
            try SetCookie("a", "1"), try SetCookie("A", "2"), try SetCookie("a", "3", path: "/b"),
            try SetCookie("a", "4", domain: "example.com"),
        ]
        let text = try request.acceptance(
            cookies: cookies,
            fields: [HeaderField("Set-Cookie", "raw")]
        ).wireText
        #expect(
            text.hasSuffix(
                """
                \r
                Set-Cookie: a=1\r
                Set-Cookie: A=2\r
                Set-Cookie: a=3; Path=/b\r
                Set-Cookie: a=4; Domain=example.com\r
                Set-Cookie: raw\r
                \r

                """
            )
        )
    }

    @Test func `sets no cookie twice`() throws {
        let request = try upgradeRequest(HeadDraft.handshake)
        let cookies = [
            try SetCookie("a", "1", domain: "B.de", path: "/"), try SetCookie("b", ""),
            try SetCookie("a", "2", domain: "b.de", path: "/"),
        ]
        #expect(throws: HandshakeError.cookieRepeated("a")) {
            try request.acceptance(cookies: cookies)
        }
    }
}
