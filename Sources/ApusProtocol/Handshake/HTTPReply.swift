// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// Writes the ordinary HTTP/1.1 responses of a server that mostly speaks WebSocket.
public enum HTTPReply {
    /// The bytes of a response with a body of known length.
    ///
    /// `isHeadOnly` leaves the body out and keeps its length, as the answer to HEAD; a status that
    /// has no body (204, 304) has neither, and that of 205 is empty. Throws, and writes nothing, for a status that is not
    /// final (200 to 599) and for fields that are malformed or frame the message
    /// (`Content-Length`, `Transfer-Encoding`). Whether the connection stays open is for the caller
    /// to say by a `Connection` field.
    public static func bytes(
        status: Int,
        fields: [HeaderField] = [],
        body: [UInt8] = [],
        isHeadOnly: Bool = false
    ) throws(HandshakeError) -> [UInt8] {
        guard 200...599 ~= status else { throw .statusInvalid(status) }
        for field in fields {
            try field.check { $0 == "content-length" || $0 == "transfer-encoding" }
        }
        return serialize(status: status, fields: fields, body: body, isHeadOnly: isHeadOnly)
    }

    /// The same for a status and fields that were checked.
    static func serialize(
        status: Int,
        fields: [HeaderField],
        body: [UInt8],
        isHeadOnly: Bool = false
    ) -> [UInt8] {
        guard status != 204 && status != 304 else { return head(status: status, fields: fields) }
        let body = status == 205 ? [] : body
        let length = HeaderField("Content-Length", String(body.count))
        let head = head(status: status, fields: fields + [length])
        return isHeadOnly ? head : head + body
    }

    /// A status line, the fields and the empty line.
    static func head(status: Int, fields: [HeaderField]) -> [UInt8] {
        head(startLine: "HTTP/1.1 \(status) \(StatusPhrase.of(status))", fields: fields)
    }

    /// The first line of a request or a response, the fields and the empty line.
    static func head(startLine: String, fields: [HeaderField]) -> [UInt8] {
        var head = startLine + "\r\n"
        for field in fields {
            head += "\(field.name): \(field.value)\r\n"
        }
        head += "\r\n"
        return Array(head.utf8)
    }
}
