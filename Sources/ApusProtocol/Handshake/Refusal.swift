// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// The answer to a request that is not served; the connection is closed after it.
public struct Refusal: Hashable, Sendable {
    /// The status code.
    public let status: Int

    /// The sentence that says why: the body of the response, and fit for a log.
    public let reason: String

    /// The fields besides those that every refusal has.
    public let fields: [HeaderField]

    /// The rule that the client broke; nil where the application refuses.
    public let violation: HandshakeViolation?

    /// A refusal by the application.
    ///
    /// Throws for a status that is not final (200 to 599) and for fields that are malformed or that
    /// every refusal sets itself (`Connection`, `Content-Length`, `Content-Type`,
    /// `Transfer-Encoding`).
    public init(
        status: Int,
        reason: String,
        fields: [HeaderField] = []
    ) throws(HandshakeError) {
        guard 200...599 ~= status else { throw .statusInvalid(status) }
        for field in fields {
            try field.check(isReserved: Self.reserved.contains)
        }
        self.init(status: status, reason: reason, checkedFields: fields, violation: nil)
    }

    /// A refusal of our own, whose status and fields are known to be good.
    package init(fixed status: Int, reason: String, fields: [HeaderField] = []) {
        self.init(status: status, reason: reason, checkedFields: fields, violation: nil)
    }

    init(
        status: Int,
        reason: String,
        checkedFields: [HeaderField],
        violation: HandshakeViolation?
    ) {
        self.status = status
        self.reason = reason
        self.fields = checkedFields
        self.violation = violation
    }

    private static let reserved: Set<String> = [
        "connection", "content-length", "content-type", "transfer-encoding",
    ]

    /// The whole response.
    public func bytes() -> [UInt8] {
        // Whoever sends Upgrade lists it in Connection, RFC 9110 §7.8.
        let offersUpgrade = fields.contains { $0.name.lowercased() == "upgrade" }
        let own = [
            HeaderField("Connection", offersUpgrade ? "Upgrade, close" : "close"),
            HeaderField("Content-Type", "text/plain; charset=utf-8"),
        ]
        return HTTPReply.serialize(
            status: status,
            fields: fields + own,
            body: Array(reason.utf8)
        )
    }
}
