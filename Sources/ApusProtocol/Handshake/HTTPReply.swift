// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// Writes the ordinary HTTP/1.1 responses of a server that mostly speaks WebSocket.
public enum HTTPReply {
    /// The bytes of a response with a body of known length.
    ///
    /// `isHeadOnly` leaves the body out and keeps its length, as the answer to HEAD; a status that
    /// has no body (204, 304) has neither, and that of 205 is empty. `date` is the text of a Date
    /// field where `fields` have none; `closes` says that no other response follows on the
    /// connection. Throws, and writes nothing, for a status that is not final (200 to 599) and for
    /// fields that are malformed or frame the message (`Connection`, `Content-Length`,
    /// `Transfer-Encoding`).
    public static func bytes(
        status: Int,
        fields: [HeaderField] = [],
        body: [UInt8] = [],
        date: String? = nil,
        isHeadOnly: Bool = false,
        closes: Bool = false
    ) throws(HandshakeError) -> [UInt8] {
        guard 200...599 ~= status else { throw .statusInvalid(status) }
        for field in fields {
            try field.check { ["connection", "content-length", "transfer-encoding"].contains($0) }
        }
        return serialize(
            status: status,
            fields: fields,
            body: body,
            date: date,
            isHeadOnly: isHeadOnly,
            closes: closes
        )
    }

    /// The same for a status and fields that were checked.
    static func serialize(
        status: Int,
        fields: [HeaderField],
        body: [UInt8],
        date: String?,
        isHeadOnly: Bool,
        closes: Bool
    ) -> [UInt8] {
        let names = fields.map { $0.name.lowercased() }
        var fields = fields
        // Whoever sends Upgrade lists it in Connection, RFC 9110 §7.8.
        let options = (names.contains("upgrade") ? ["Upgrade"] : []) + (closes ? ["close"] : [])
        if !options.isEmpty {
            fields.append(HeaderField("Connection", options.joined(separator: ", ")))
        }
        if let date, !names.contains("date") { fields.append(HeaderField("Date", date)) }
        guard status != 204 && status != 304 else { return head(status: status, fields: fields) }
        let body = status == 205 ? [] : body
        fields.append(HeaderField("Content-Length", String(body.count)))
        let head = head(status: status, fields: fields)
        return isHeadOnly ? head : head + body
    }

    /// Tells a client that waits with its body to send it, RFC 9110 §15.2.1.
    package static let continueBytes = head(status: 100, fields: [])

    /// A status line, the fields and the empty line.
    static func head(status: Int, fields: [HeaderField]) -> [UInt8] {
        head(startLine: "HTTP/1.1 \(status) \(StatusPhrase.of(status))", fields: fields)
    }

    /// The first line of a request or a response, the fields and the empty line.
    static func head(startLine: String, fields: [HeaderField]) -> [UInt8] {
        var head = Array(startLine.utf8) + lineEnd
        for field in fields { append(field, to: &head) }
        head += lineEnd
        return head
    }

    static let lineEnd: [UInt8] = [.carriageReturn, .lineFeed]

    static func append(_ field: HeaderField, to head: inout [UInt8]) {
        head += field.name.utf8
        head += [.colon, .space]
        head += field.value.utf8
        head += lineEnd
    }
}
