// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Testing

@testable import ApusLoad

@Suite struct `Flags of apus-load` {
    @Test(arguments: [
        ("20", 20...20), ("1KiB", 1024...1024), ("20-1000", 20...1000), ("0", 0...0),
        ("1KiB-1MiB", 1024...1_048_576), ("7-7", 7...7),
    ])
    func `a size is a number, with or without a unit, or two of them`(
        text: String,
        bytes: ClosedRange<Int>
    ) {
        #expect(SizeRange(argument: text)?.bytes == bytes)
    }

    @Test(arguments: ["", "-", "20-", "-20", "1000-20", "1-2-3", "many", "1TB", "+5", "1 KiB"])
    func `anything else is no size`(text: String) {
        #expect(SizeRange(argument: text) == nil)
    }

    @Test func `source addresses are single ones and ranges`() {
        #expect(
            SourceAddresses(argument: "127.0.0.254-127.0.1.1,10.0.0.1,::1")?.addresses
                == ["127.0.0.254", "127.0.0.255", "127.0.1.0", "127.0.1.1", "10.0.0.1", "::1"]
        )
        #expect(SourceAddresses(argument: "127.0.0.2-127.0.0.250")?.addresses.count == 249)
        #expect(SourceAddresses(argument: "10.0.0.0-10.0.255.255")?.addresses.count == 65536)
    }

    @Test(arguments: [
        "", ",", "127.0.0.1,", "127.0.0", "127.0.0.256", "127.0.0.2-127.0.0.1", "localhost",
        "127.0.0.1-127.0.0.2-127.0.0.3", "10.0.0.0-10.1.0.0", "127.0.0.+1", "127.0.0.1-::1",
    ])
    func `anything else is no source address`(text: String) {
        #expect(SourceAddresses(argument: text) == nil)
    }

    @Test func `a header field is a token, a colon and a value`() throws {
        let field = try #require(RequestField(argument: "X-Test:  a: b "))
        #expect(field.name == "X-Test")
        #expect(field.value == "a: b ")
        #expect(RequestField(argument: "Empty:")?.value == "")
    }

    @Test(arguments: ["", ":", ": value", "no colon", "a b: c", "a: b\r\nc: d", "ä: b"])
    func `anything else is no header field`(text: String) {
        #expect(RequestField(argument: text) == nil)
    }

    @Test(arguments: [
        (["http://a/"], "schemeNotWebSocket"), (["ws://a#b"], "fragment"),
        (["ws://a/", "--connections", "0"], "--connections"),
        (["ws://a/", "--inflight", "0"], "--inflight"),
        (["ws://a/", "--processes", "101"], "--processes"),
        (["ws://a/", "--rate", "0"], "--rate"), (["ws://a/", "--rate", "nan"], "--rate"),
        (["ws://a/", "--connect-rate", "inf"], "--connect-rate"),
        (["ws://a/", "--duration", "0"], "--duration"),
        (["ws://a/", "--timeout", "0"], "--timeout"),
        (["ws://a/", "--size", "65MiB"], "--size"),
        (["ws://a/", "--mode", "fanout", "--connections", "1"], "fanout"),
        (["ws://a/", "--mode", "fanout", "--size", "15"], "fanout"),
        (["ws://a/", "--mode", "pingpong", "--size", "126"], "125"),
        (["ws://a/", "--mode", "churn", "--rate", "10"], "--rate"),
        (["ws://a/", "--arrivals", "poisson"], "--rate"),
        (["ws://a/", "--server-pid", "0"], "--server-pid"),
        (["ws://a/", "--duration", "1 parsec"], "--duration"), ([], "url"),
    ])
    func `nonsense is refused by the name of its flag`(arguments: [String], word: String) {
        let error = #expect(throws: (any Error).self) { _ = try LoadCommand.parse(arguments) }
        if let error {
            #expect(LoadCommand.message(for: error).contains(word))
            #expect(LoadCommand.exitCode(for: error).rawValue == 64)
        }
    }
}
