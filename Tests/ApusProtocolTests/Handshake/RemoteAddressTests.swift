// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol
import ApusTestSupport
import Testing

@Suite struct `Trusted proxies` {
    @Test(arguments: [
        ("10.0.0.0/8", "10.255.255.255"), ("10.1.2.3", "10.1.2.3"), ("0.0.0.0/0", "1.2.3.4"),
        ("10.0.0.0/31", "10.0.0.1"), ("192.0.2.128/25", "192.0.2.200"), ("::/0", "2001:db8::1"),
        ("2001:db8::/32", "2001:DB8:ffff::"), ("::1", "0:0:0:0:0:0:0:1"), ("::1/128", "::1"),
        ("fe80::/10", "febf::1"), ("2001:db8:0:8000::/49", "2001:db8:0:8000::1"),
        ("::ffff:10.0.0.0/104", "10.2.3.4"), ("10.0.0.0/8", "::ffff:a00:1"), ("unix", ""),
        ("2001:db8::1:0/112", "2001:db8::1:ffff"),
    ])
    func `contain what their prefixes cover`(entry: String, address: String) throws {
        #expect(try TrustedProxies([entry]).contains(address))
        #expect(try TrustedProxies(["192.0.2.1", entry, "unix"]).contains(address))
    }

    @Test(arguments: [
        ("10.0.0.0/8", "11.0.0.0"), ("10.0.0.0/31", "10.0.0.2"), ("0.0.0.0/0", "::1"),
        ("::/0", "1.2.3.4"), ("2001:db8::/32", "2001:db9::"), ("::1", ""), ("unix", "::1"),
        ("unix", "unix"), ("10.0.0.0/8", "10.0.0"), ("10.0.0.0/8", "010.0.0.1"), ("::1", "::1%lo"),
        ("10.0.0.0/8", "10.0.0.1:80"), ("::/0", "unknown"), ("0.0.0.0/0", "_hidden"),
        ("2001:db8:0:8000::/49", "2001:db8:0:7fff::1"),
    ])
    func `contain nothing else`(entry: String, address: String) throws {
        #expect(try !TrustedProxies([entry]).contains(address))
        #expect(!TrustedProxies().contains(address))
    }

    @Test(arguments: [
        "", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "10.0.0.0/08", "10.0.0.0/8/8", "10.0.0",
        "/8",
        "10.0.0.256", "10.0.0.0 /8", "::/129", ":", ":::", "1::2::3", "1:2:3:4:5:6:7", "1:", ":1",
        "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7::8", "12345::", "::g", "::1.2.3", "::1.2.3.4:5",
        "[::1]",
        "1.2.3.4::", "Unix", "localhost", "fe80::1%eth0", "1:2:3:4:5:6:7:1.2.3.4", "10.0.0.0/8 ",
    ])
    func `are well formed`(entry: String) {
        #expect(throws: TrustedProxiesError.malformed(entry)) { try TrustedProxies([entry]) }
    }

    @Test(arguments: ["10.1.2.3/8", "10.0.0.1/0", "::1/127", "2001:db8::/16", "::ffff:1.2.3.4/96"])
    func `have no bits behind their prefix`(entry: String) {
        #expect(throws: TrustedProxiesError.bitsBehindPrefix(entry)) {
            try TrustedProxies([entry])
        }
    }
}

@Suite struct `Remote addresses` {
    private static let proxies: TrustedProxies = ["10.0.0.0/8", "fd00::/8", "unix"]

    private func addresses(
        _ lines: [String],
        _ field: ForwardedField,
        transport: [String] = ["10.0.0.1"],
        trusting proxies: TrustedProxies = Self.proxies
    ) throws -> RemoteAddresses {
        let head = try upgradeRequest(
            HeadDraft(
                requestLine: HeadDraft.handshake.requestLine,
                fields: HeadDraft.handshake.fields + lines
            )
        ).head
        return RemoteAddresses(transport: transport, head: head, field: field, trusting: proxies)
    }

    @Test func `are those of the transport where nobody is trusted`() throws {
        let lines = ["X-Forwarded-For: 1.1.1.1", "Forwarded: for=1.1.1.1"]
        for field in [ForwardedField.ignored, .xForwardedFor, .forwarded] {
            for proxies in [[], ["10.0.0.0/8"]] as [TrustedProxies] {
                let found = try addresses(lines, field, transport: ["192.0.2.9"], trusting: proxies)
                #expect(found.all == ["192.0.2.9"])
                #expect(found.client == "192.0.2.9")
            }
        }
        #expect(try addresses(lines, .ignored).all == ["10.0.0.1"])
        #expect(try addresses(["X-Forwarded-For: 1.1.1.1"], .forwarded).client == "10.0.0.1")
        #expect(try addresses(["Forwarded: for=1.1.1.1"], .xForwardedFor).client == "10.0.0.1")
    }

    @Test(
        arguments: [
            // What the client wrote stands first, and the nearest stranger is who asked.
            ("1.1.1.1, 2.2.2.2", ["1.1.1.1", "2.2.2.2"], "2.2.2.2"),
            ("2.2.2.2", ["2.2.2.2"], "2.2.2.2"),
            ("1.1.1.1, 2.2.2.2, 10.0.0.7", ["1.1.1.1", "2.2.2.2", "10.0.0.7"], "2.2.2.2"),
            ("10.0.0.9, 10.0.0.7", ["10.0.0.9", "10.0.0.7"], "10.0.0.9"),
            ("2001:DB8:0::1", ["2001:db8::1"], "2001:db8::1"),
            ("[2001:db8::1]", ["2001:db8::1"], "2001:db8::1"),
            ("[2001:db8::1]:443", ["2001:db8::1"], "2001:db8::1"),
            ("2.2.2.2:8080", ["2.2.2.2"], "2.2.2.2"), ("::ffff:2.2.2.2", ["2.2.2.2"], "2.2.2.2"),
            ("unknown", ["unknown"], "unknown"), (",, 2.2.2.2 ,", ["2.2.2.2"], "2.2.2.2"),
            // What is malformed ends the list.
            ("1.1.1.1, nonsense, 2.2.2.2", ["2.2.2.2"], "2.2.2.2"),
            ("1.1.1.1, nonsense, 10.0.0.7", ["10.0.0.7"], "10.0.0.7"),
            ("1.1.1.1, x", [], "10.0.0.1"),
            ("1.1.1.1 2.2.2.2", [], "10.0.0.1"), ("2.2.2.2:", [], "10.0.0.1"), ("", [], "10.0.0.1"),
            ("2.2.2.2:65536", [], "10.0.0.1"), ("[2.2.2.2]", [], "10.0.0.1"),
            ("02.2.2.2", [], "10.0.0.1"),
            ("\"2.2.2.2\"", [], "10.0.0.1"), ("[::1", [], "10.0.0.1"), ("::1]", [], "10.0.0.1"),
            ("<script>", [], "10.0.0.1"), ("fe80::1%eth0", [], "10.0.0.1"),
            ("2.2.2.256", [], "10.0.0.1"),
        ] as [(String, [String], String)]
    )
    func `are read from X-Forwarded-For`(value: String, all: [String], client: String) throws {
        let found = try addresses(["X-Forwarded-For: \(value)"], .xForwardedFor)
        #expect(found.all == all + ["10.0.0.1"])
        #expect(found.client == client)
    }

    @Test(
        arguments: [
            ("for=2.2.2.2", ["2.2.2.2"], "2.2.2.2"),
            ("For=\"[2001:db8::17]:4711\"", ["2001:db8::17"], "2001:db8::17"),
            ("for=192.0.2.60;proto=http;by=203.0.113.43", ["192.0.2.60"], "192.0.2.60"),
            ("for=1.1.1.1, for=2.2.2.2", ["1.1.1.1", "2.2.2.2"], "2.2.2.2"),
            ("for=2.2.2.2, FOR=\"10.0.0.7:80\"", ["2.2.2.2", "10.0.0.7"], "2.2.2.2"),
            ("for=_gazonk", ["_gazonk"], "_gazonk"), ("for=\"_a.b-c:_d\"", ["_a.b-c"], "_a.b-c"),
            ("for=UNKNOWN", ["unknown"], "unknown"), ("for=\"unknown:80\"", ["unknown"], "unknown"),
            ("for=\"2\\.2.2.2\"", ["2.2.2.2"], "2.2.2.2"),
            ("; ;for=2.2.2.2;", ["2.2.2.2"], "2.2.2.2"),
            ("host=\"a,for=3.3.3.3\";for=2.2.2.2", ["2.2.2.2"], "2.2.2.2"), (",", [], "10.0.0.1"),
            // Malformed.
            ("for=1.1.1.1, by=2.2.2.2", [], "10.0.0.1"),
            ("for=1.1.1.1;for=2.2.2.2", [], "10.0.0.1"),
            ("for=1.1.1.1, for=", [], "10.0.0.1"), ("for=1.1.1.1, for", [], "10.0.0.1"),
            ("for=[::1]", [], "10.0.0.1"), ("for=\"::1\"", [], "10.0.0.1"),
            ("for=_", [], "10.0.0.1"),
            ("for = 2.2.2.2", [], "10.0.0.1"), ("for=2.2.2.2:80", [], "10.0.0.1"),
            ("", [], "10.0.0.1"),
            ("for=2.2.2.2;=", [], "10.0.0.1"), ("for=\"2.2.2.2\\", [], "10.0.0.1"),
            ("for=\"\u{7F}\"".replacing("\u{7F}", with: "é"), [], "10.0.0.1"),
            // A client's quotes swallow nothing that a proxy appends, other than to nobody's gain.
            ("for=9.9.9.9;a=\", for=2.2.2.2", [], "10.0.0.1"),
            ("for=9.9.9.9;a=\", for=\"[2001:db8::1]\"", [], "10.0.0.1"),
            ("for=9.9.9.9;a=\"\\\", for=\"2.2.2.2\"", [], "10.0.0.1"),
            ("for=9.9.9.9;a=\"b\"c, for=2.2.2.2", ["2.2.2.2"], "2.2.2.2"),
        ] as [(String, [String], String)]
    )
    func `are read from Forwarded`(value: String, all: [String], client: String) throws {
        let found = try addresses(["Forwarded: \(value)"], .forwarded)
        #expect(found.all == all + ["10.0.0.1"])
        #expect(found.client == client)
    }

    @Test func `are read from several lines as from one`() throws {
        let listed = [
            "X-Forwarded-For: 1.1.1.1, x", "x-forwarded-for: 2.2.2.2", "X-Forwarded-For: fd00::1",
        ]
        #expect(try addresses(listed, .xForwardedFor).all == ["2.2.2.2", "fd00::1", "10.0.0.1"])
        #expect(try addresses(listed, .xForwardedFor).client == "2.2.2.2")
        let forwarded = ["Forwarded: for=1.1.1.1", "Forwarded: a=\"", "Forwarded: for=2.2.2.2"]
        #expect(try addresses(forwarded, .forwarded).all == ["2.2.2.2", "10.0.0.1"])
    }

    @Test func `go on from the transport's own chain`() throws {
        let line = ["X-Forwarded-For: 1.1.1.1"]
        let stranger = try addresses(line, .xForwardedFor, transport: ["2.2.2.2", "10.0.0.1"])
        #expect(stranger.all == ["2.2.2.2", "10.0.0.1"])
        #expect(stranger.client == "2.2.2.2")
        let trusted = try addresses(line, .xForwardedFor, transport: ["10.9.9.9", ""])
        #expect(trusted.all == ["1.1.1.1", "10.9.9.9", ""])
        #expect(trusted.client == "1.1.1.1")
    }

    @Test(arguments: [
        ("0:0:0:0:0:0:0:0", "::"), ("0:0:0:0:0:0:0:1", "::1"), ("1:0:0:0:0:0:0:0", "1::"),
        ("2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"), ("1:0:0:2:0:0:0:3", "1:0:0:2::3"),
        ("1:2:3:0:5:6:7:8", "1:2:3:0:5:6:7:8"), ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"),
        ("00a:0b0:c00::1", "a:b0:c00::1"), ("64:ff9b::1.2.3.4", "64:ff9b::102:304"),
        ("::1.2.3.4", "::102:304"), ("0:0:0:0:0:ffff:1.2.3.4", "1.2.3.4"),
        ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"),
        ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
    ])
    func `have one spelling`(spelling: String, canonical: String) throws {
        let found = try addresses(["X-Forwarded-For: \(spelling)"], .xForwardedFor)
        #expect(found.all.first == canonical)
        #expect(try addresses(["X-Forwarded-For: \(canonical)"], .xForwardedFor) == found)
    }

    @Test(arguments: 0..<10 as Range<UInt64>)
    func `never follow a client's word past a stranger`(seed: UInt64) throws {
        var random = SplitMix(seed: seed)
        let pieces = [
            "for=9.9.9.9", "9.9.9.9", ",", ";", "\"", "\\", "[", "]", ":", "::", "=", " ", "for=",
            "_x",
            "unknown", "10.0.0.5", "by=", ".", "fd00::1", "a",
        ]
        for round in 0..<200 {
            var client = ""
            for _ in 0..<Int.random(in: 0...8, using: &random) {
                client += pieces[Int.random(in: pieces.indices, using: &random)]
            }
            // The proxies append: on the same line, or on one of their own.
            let isApart = round % 3 == 0
            let listed = isApart ? [client, "2.2.2.2, 10.0.0.7"] : ["\(client), 2.2.2.2, 10.0.0.7"]
            let found = try addresses(listed.map { "X-Forwarded-For: \($0)" }, .xForwardedFor)
            #expect(found.client == "2.2.2.2", "seed \(seed): \(client)")
            let own = ["for=2.2.2.2", "for=\"2.2.2.2:5\"", "for=2.2.2.2;host=\"a\""][round / 3 % 3]
            let quoted = isApart ? [client, own] : ["\(client), \(own)"]
            let forwarded = try addresses(quoted.map { "Forwarded: \($0)" }, .forwarded)
            // A quote that the client left open costs it its address, and wins it none.
            #expect(
                forwarded.client == "2.2.2.2" || !isApart && forwarded.client == "10.0.0.1",
                "seed \(seed): \(client), \(own)"
            )
        }
    }
}
