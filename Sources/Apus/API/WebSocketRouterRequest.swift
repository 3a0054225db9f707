// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

public import ApusProtocol
public import HTTPTypes

/// A request that a ``WebSocketRouter`` found a route for, to be accepted or rejected, once.
///
/// It has all that its ``WebSocketRequest`` has, under the same names.
@WorkerActor
@dynamicMemberLookup
public struct WebSocketRouterRequest {
    /// The request as the server got it, which may select another subprotocol or none.
    public let webSocketRequest: WebSocketRequest

    /// The subprotocol that ``accept(origin:cookies:fields:)`` selects, in the client's spelling.
    public let `protocol`: String?

    /// What the path has where the pattern has a parameter, decoded: a segment; for `**`, all that
    /// follows, without a slash in front.
    public let parameters: [String: String]

    /// What the ``WebSocketRequest`` has under this name.
    public subscript<Value>(dynamicMember member: KeyPath<WebSocketRequest, Value>) -> Value {
        webSocketRequest[keyPath: member]
    }

    /// Accepts with the route's subprotocol: the connection is open when this returns.
    ///
    /// Otherwise as ``WebSocketRequest/accept(protocol:origin:cookies:fields:)``.
    @discardableResult
    public func accept(
        origin: String? = nil,
        cookies: [SetCookie] = [],
        fields: HTTPFields = [:]
    ) throws(WebSocketError) -> WebSocketConnection {
        try webSocketRequest.accept(
            protocol: `protocol`,
            origin: origin,
            cookies: cookies,
            fields: fields
        )
    }

    /// Rejects, as ``WebSocketRequest/reject(status:reason:fields:body:)``.
    public func reject(
        status: Int = 403,
        reason: String = "forbidden",
        fields: HTTPFields = [:],
        body: ResponseBody? = nil
    ) throws(WebSocketError) {
        try webSocketRequest.reject(status: status, reason: reason, fields: fields, body: body)
    }

    /// Calls the handler once nobody waits for the decision any more, as
    /// ``WebSocketRequest/onClientGone(_:)``.
    public func onClientGone(_ handler: @escaping @WorkerActor () throws -> Void) {
        webSocketRequest.onClientGone(handler)
    }
}
