// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol

/// An ordinary request from the end of its head to its answer.
@WorkerActor
final class HTTPExchange {
    let head: RequestHead
    let handler: HTTPServer.Handler
    var body: RequestBodyReader
    /// Whether the handler has the request.
    var isAsked = false
    /// Answers, where that may take a while.
    var task: HandlerTask?

    init(head: RequestHead, handler: HTTPServer.Handler, body: RequestBodyReader) {
        self.head = head
        self.handler = handler
        self.body = body
    }

    var isHeadOnly: Bool { head.method == "HEAD" }
}
