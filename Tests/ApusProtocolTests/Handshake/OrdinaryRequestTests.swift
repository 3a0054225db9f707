// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol
import ApusTestSupport
import Testing

@Suite(.rfc9112("6.3"))
struct `Ordinary requests` {
    @Test func `request that asks for no upgrade is handed out`() throws {
        HandshakeVector("GET", HeadDraft.ordinary, .request).verify()
        HandshakeVector("close", HeadDraft.ordinary.adding("Connection: close"), .request).verify()
        HandshakeVector(
            "upgrade to nothing",
            HeadDraft.ordinary.adding("Connection: upgrade"),
            .request
        )
        .verify()
        #expect(try ordinaryHead(HeadDraft.ordinary).body == .none)
    }

    @Test(arguments: [
        ("GET /a/b?c", "/a/b", "c", "example.com"),
        ("GET http://other:80?c", "/", "c", "other:80"),
        ("OPTIONS *", "*", nil, "example.com"),
    ])
    func `head splits the target`(
        line: String,
        path: String,
        query: String?,
        host: String
    ) throws {
        let head = try ordinaryHead(HeadDraft.ordinary.requesting("\(line) HTTP/1.1"))
        #expect(head.path == path)
        #expect(head.query == query)
        #expect(head.host == host)
    }

    @Test(arguments: [
        ("Content-Length: 0", RequestBody.byteCount(0)),
        ("Content-Length: 005", .byteCount(5)),
        ("Content-Length: 18446744073709551615", .byteCount(.max)),
        ("Transfer-Encoding: chunked", .chunked),
        ("transfer-encoding:\tChunked\t", .chunked),
    ])
    func `body is delimited in one way`(line: String, body: RequestBody) throws {
        let draft = HeadDraft.ordinary.requesting("POST / HTTP/1.1").adding(line)
        HandshakeVector(line, draft, .request).verify()
        #expect(try ordinaryHead(draft).body == body)
    }

    @Test(arguments: [
        (["Content-Length:"], HandshakeViolation.contentLengthInvalid),
        (["Content-Length: +5"], .contentLengthInvalid),
        (["Content-Length: -5"], .contentLengthInvalid),
        (["Content-Length: 0x5"], .contentLengthInvalid),
        (["Content-Length: 5.0"], .contentLengthInvalid),
        (["Content-Length: 5 5"], .contentLengthInvalid),
        (["Content-Length: 5, 5"], .contentLengthInvalid),
        (["Content-Length: ٥"], .contentLengthInvalid),
        (["Content-Length: 18446744073709551616"], .contentLengthInvalid),
        (["Content-Length: \(String(repeating: "9", count: 1_000))"], .contentLengthInvalid),
        (["Content-Length: 5", "Content-Length: 5"], .contentLengthRepeated),
        (["Content-Length: 5", "content-length: 6"], .contentLengthRepeated),
        (["Content-Length: 5", "Transfer-Encoding: chunked"], .contentLengthAndTransferEncoding),
        (["Transfer-Encoding: chunked", "Content-Length: 0"], .contentLengthAndTransferEncoding),
        (["Transfer-Encoding: identity"], .transferEncodingNotChunked),
        (["Transfer-Encoding:"], .transferEncodingNotChunked),
        (["Transfer-Encoding: xchunked"], .transferEncodingNotChunked),
        (["Transfer-Encoding: chun\tked"], .transferEncodingNotChunked),
        (["Transfer-Encoding: \"chunked\""], .transferEncodingNotChunked),
        (["Transfer-Encoding: chunked, identity"], .transferEncodingNotChunked),
        (["Transfer-Encoding: chunked;a=b"], .transferEncodingNotChunked),
        (["Transfer-Encoding: gzip, chunked"], .transferCodingUnknown),
        (["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], .transferCodingUnknown),
        (["Transfer-Encoding: \u{B}chunked"], .malformedFieldValue),
        (["Transfer-Encoding : chunked"], .malformedFieldName),
        (["Transfer-Encoding:\r\n chunked"], .foldedLine),
    ])
    func `body that two readers delimit in two ways is refused`(
        lines: [String],
        violation: HandshakeViolation
    ) {
        let post = HeadDraft.ordinary.requesting("POST / HTTP/1.1")
        HandshakeVector("body", lines.reduce(post) { $0.adding($1) }, violation).verify()
    }
}
