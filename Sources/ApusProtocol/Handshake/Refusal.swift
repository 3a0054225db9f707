// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// The answer to a request that is not served.
public struct Refusal: Hashable, Sendable {
    /// The status code.
    public let status: Int

    /// The sentence that says why: fit for a log, and the body of the response without another.
    public let reason: String

    /// What the response has in place of the reason; nil: the reason as `text/plain`.
    public let body: ResponseBody?

    /// The fields besides those that every refusal has.
    public let fields: [HeaderField]

    /// The rule that the client broke; nil where the application refuses.
    public let violation: HandshakeViolation?

    /// A refusal by the application.
    ///
    /// Throws for a status that is not final (200 to 599) and for fields that are malformed or that
    /// every refusal sets itself (`Connection`, `Content-Length`, `Content-Type`,
    /// `Transfer-Encoding`). A body is left out where the status has none (204, 205, 304).
    public init(
        status: Int,
        reason: String,
        fields: [HeaderField] = [],
        body: ResponseBody? = nil
    ) throws(HandshakeError) {
        guard 200...599 ~= status else { throw .statusInvalid(status) }
        for field in fields {
            try field.check(isReserved: Self.reserved.contains)
        }
        if let body { try HeaderField("Content-Type", body.contentType).check { _ in false } }
        self.init(status: status, reason: reason, checkedFields: fields, body: body)
    }

    /// A refusal of our own, whose status and fields are known to be good.
    package init(fixed status: Int, reason: String, fields: [HeaderField] = []) {
        self.init(status: status, reason: reason, checkedFields: fields)
    }

    init(
        status: Int,
        reason: String,
        checkedFields: [HeaderField],
        body: ResponseBody? = nil,
        violation: HandshakeViolation? = nil
    ) {
        self.status = status
        self.reason = reason
        self.body = body
        self.fields = checkedFields
        self.violation = violation
    }

    private static let reserved: Set<String> = [
        "connection", "content-length", "content-type", "transfer-encoding",
    ]

    /// The whole response.
    ///
    /// The connection closes after it unless `closes` is false. `date` is the text of a Date field,
    /// and `isHeadOnly` leaves the body out, as for HEAD.
    public func bytes(
        date: String? = nil,
        isHeadOnly: Bool = false,
        closes: Bool = true
    ) -> [UInt8] {
        let body = body ?? ResponseBody(text: reason)
        return HTTPReply.serialize(
            status: status,
            fields: fields + [HeaderField("Content-Type", body.contentType)],
            body: body.bytes,
            date: date,
            isHeadOnly: isHeadOnly,
            closes: closes
        )
    }
}

/// What a response carries, and what it is.
public struct ResponseBody: Hashable, Sendable {
    /// The bytes as sent.
    public var bytes: [UInt8]

    /// The media type: the value of Content-Type, checked when it is put into a response.
    public var contentType: String

    /// A body of bytes, such as JSON: `application/json`.
    public init(_ bytes: [UInt8], contentType: String) {
        self.bytes = bytes
        self.contentType = contentType
    }

    /// A body of text in UTF-8.
    public init(text: String, contentType: String = "text/plain; charset=utf-8") {
        self.init(Array(text.utf8), contentType: contentType)
    }
}
