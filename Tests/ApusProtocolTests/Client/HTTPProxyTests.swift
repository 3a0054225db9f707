// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import ApusProtocol
import Testing

@Suite struct `URL of a proxy` {
    @Test(arguments: [
        ("http://proxy.example.com:3128", "proxy.example.com", 3128),
        ("HTTP://proxy/", "proxy", 80),
        ("http://127.0.0.1:1", "127.0.0.1", 1),
        ("http://[::1]:8080", "::1", 8080),
        ("http://proxy:", "proxy", 80),
    ])
    func `has a host and a port`(url: String, host: String, port: UInt16) throws {
        let proxy = try HTTPProxy(url)
        #expect(proxy.host == host)
        #expect(proxy.port == port)
        #expect(proxy.fields == [])
        #expect(try HTTPProxy(proxy.description) == proxy)
    }

    /// RFC 7617 §2 has the first.
    @Test(arguments: [
        ("http://Aladdin:open%20sesame@a", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        ("http://a@proxy", "Basic YTo="),
        ("http://a:@proxy", "Basic YTo="),
        ("http://a:b:c@proxy", "Basic YTpiOmM="),
        ("http://a:b@c@proxy", "Basic YTpiQGM="),
        ("http://a:%40%2f@proxy", "Basic YTpALw=="),
        ("http://%C3%A9:%c3%a9@proxy", "Basic w6k6w6k="),
    ])
    func `may have credentials`(url: String, value: String) throws {
        let proxy = try HTTPProxy(url)
        #expect(proxy.fields == [HeaderField("Proxy-Authorization", value)])
        #expect(["a", "proxy"].contains(proxy.host))
    }

    @Test func `keeps the password to itself`() throws {
        let proxy = try HTTPProxy("http://somebody:secret@proxy:81")
        var dumped = ""
        dump(proxy, to: &dumped)
        for text in ["\(proxy)", String(reflecting: proxy), dumped, "\([proxy])"] {
            #expect(
                !text.contains("secret") && !text.contains("somebody") && !text.contains("c29t")
            )
            #expect(text.contains("proxy"))
        }
    }

    @Test(arguments: [
        ("proxy:3128", HTTPProxyError.schemeNotHTTP),
        ("https://proxy", .schemeNotHTTP),
        ("socks5://proxy", .schemeNotHTTP),
        ("http:/proxy", .schemeNotHTTP),
        ("", .schemeNotHTTP),
        ("http://proxy/path", .pathNotEmpty),
        ("http://proxy?a", .pathNotEmpty),
        ("http://proxy/#a", .pathNotEmpty),
        ("http://", .hostInvalid),
        ("http://a@", .hostInvalid),
        ("http://pro xy", .hostInvalid),
        ("http://pro%78y", .hostInvalid),
        ("http://[::1", .hostInvalid),
        ("http://proxy\r\nX: y", .hostInvalid),
        ("http://proxy:0", .portInvalid),
        ("http://proxy:65536", .portInvalid),
        ("http://proxy:+1", .portInvalid),
        ("http://@proxy", .credentialsInvalid),
        ("http://:a@proxy", .credentialsInvalid),
        ("http://a%3Ab:c@proxy", .credentialsInvalid),
        ("http://a:%0D%0A@proxy", .credentialsInvalid),
        ("http://a:\u{7F}@proxy", .credentialsInvalid),
        ("http://a:%@proxy", .credentialsInvalid),
        ("http://a:%4@proxy", .credentialsInvalid),
        ("http://a:%4g@proxy", .credentialsInvalid),
        ("http://a:%+4@proxy", .credentialsInvalid),
    ])
    func `is refused where it makes no sense`(url: String, error: HTTPProxyError) {
        #expect(throws: error) { try HTTPProxy(url) }
    }
}
