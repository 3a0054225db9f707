// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol
public import HTTPTypes

/// An ordinary request with its body, as the handler of ``HTTPServer`` gets it.
///
/// What its head has can be asked of it as well: `request.method`, `request.path`,
/// `request.headerFields`.
@dynamicMemberLookup
public struct HTTPServerRequest: Sendable {
    /// Method, path with query, and fields; fields with names that this type does not take are left
    /// out.
    public let head: HTTPRequest

    /// The whole body, at most ``ServerConfiguration/maxRequestBodySize`` bytes.
    ///
    /// The trailers of one that came in chunks are not kept.
    public let body: [UInt8]

    /// The client's address without the port, as ``WebSocketRequest/remoteAddress`` has it.
    public let remoteAddress: String

    /// Whether it came by TLS.
    public let isSecure: Bool

    /// The client's certificate, where it was asked for one and showed it.
    public let peerCertificate: PeerCertificate?

    @WorkerActor
    init(head: RequestHead, body: [UInt8], remoteAddress: String, on connection: Connection) {
        isSecure = connection.context.isSecure
        peerCertificate = connection.peerCertificate
        self.head = HTTPRequest(head, isSecure: isSecure)
        self.body = body
        self.remoteAddress = remoteAddress
    }

    /// What the head has.
    public subscript<Value>(dynamicMember member: KeyPath<HTTPRequest, Value>) -> Value {
        head[keyPath: member]
    }
}

/// The answer to an ordinary request.
public struct HTTPAnswer: Sendable {
    /// Status and fields.
    ///
    /// Content-Length is set by the server, as are Connection, where `close` is honoured, and Date
    /// where there is none.
    public var response: HTTPResponse

    /// The body; the answer to a HEAD request leaves it out.
    public var body: [UInt8]

    /// An answer with a body of bytes.
    public init(_ response: HTTPResponse, body: [UInt8] = []) {
        self.response = response
        self.body = body
    }

    /// An answer with a text, by default `text/plain` in UTF-8.
    public init(
        status: HTTPResponse.Status,
        contentType: String = "text/plain; charset=utf-8",
        text: String
    ) {
        response = HTTPResponse(status: status, headerFields: [.contentType: contentType])
        body = Array(text.utf8)
    }
}

extension HTTPAnswer {
    /// Whether it is to be the last one on its connection.
    var closes: Bool {
        (response.headerFields[.connection] ?? "").split(separator: ",").contains { option in
            option.lowercased().filter { $0 != " " && $0 != "\t" } == "close"
        }
    }

    /// The whole response; throws where a field or the status is one that none may have.
    func bytes(
        date: String?,
        isHeadOnly: Bool,
        closes: Bool
    ) throws(HandshakeError) -> [UInt8] {
        try HTTPReply.bytes(
            status: response.status.code,
            fields: response.headerFields
                .filter { $0.name != .contentLength && $0.name != .connection }
                .map { HeaderField($0.name.rawName, $0.value) },
            body: body,
            date: date,
            isHeadOnly: isHeadOnly,
            closes: closes
        )
    }
}

extension HTTPRequest {
    /// The head as the application sees it; fields whose names this type does not take are left out.
    init(_ head: RequestHead, isSecure: Bool) {
        var fields = HTTPFields()
        for index in 0..<head.fieldCount {
            guard let name = HTTPField.Name(head.name(at: index)) else { continue }
            fields.append(HTTPField(name: name, value: head.value(at: index)))
        }
        self.init(
            method: Method(head.method) ?? .get,
            scheme: isSecure ? "https" : "http",
            authority: head.firstValue(of: "Host"),
            path: head.target,
            headerFields: fields
        )
    }
}
