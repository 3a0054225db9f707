// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// Why a server cannot start, or had to stop: the system's fault, or the caller's.
public struct ServerError: Error, Hashable, Sendable {
    /// The kinds of failure, with the exit code that a command ends with.
    public struct Code: Hashable, Sendable {
        /// The exit code of sysexits for it.
        public let exitCode: Int32

        init(exitCode: Int32) {
            self.exitCode = exitCode
        }

        /// It cannot listen: the address is in use or not ours, the path is taken.
        public static let cannotListen = Code(exitCode: 69)

        /// No worker became ready, or all of them crash again and again.
        public static let cannotServe = Code(exitCode: 69)

        /// The system refuses what is needed: io_uring, fork.
        public static let systemRefuses = Code(exitCode: 71)

        /// A setting that makes no sense.
        public static let configuration = Code(exitCode: 78)
    }

    /// What kind of failure it is.
    public let code: Code

    /// One sentence: what, why, and how to cure it.
    public let message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }
}

extension ServerError: CustomStringConvertible {
    /// The message.
    public var description: String { message }
}

/// An error that says what the client is to be told where a request's handler throws it.
///
/// Any other error is told as 500, and logged.
public protocol HTTPStatusError: Error {
    /// The status of the response: 200 to 599.
    var status: Int { get }

    /// The sentence that says why: the body of the response.
    var reason: String { get }
}

/// Why what was asked for could not be done: the asker's mistake, or the state of things.
public enum WebSocketError: Error, Hashable, Sendable {
    /// It was accepted or rejected before.
    case alreadyDecided

    /// The client went away, or its time was over, before the decision.
    case clientGone

    /// The answer would break the protocol: a subprotocol that was not offered, a bad field.
    case invalidResponse(String)

    /// No server may be sent this request: the URL, a subprotocol or a field is malformed.
    case invalidRequest(String)

    /// No worker's loop runs in this process, or it drains.
    case noWorker

    /// A code that an endpoint must not send, RFC 6455 §7.4.
    case invalidCloseCode(UInt16)

    /// A reason for closing of more than 123 bytes, RFC 6455 §5.5.
    case closeReasonTooLong

    /// It is not open yet, so that nothing can be sent.
    case connecting

    /// A frame or a message may not begin here: the rule that it would break.
    case invalidFrame(String)
}
