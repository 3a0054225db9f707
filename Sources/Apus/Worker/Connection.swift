// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusProtocol
import ApusRing

/// One socket that was accepted or that we connect, from there to the close of its descriptor.
///
/// The driver's view of it: what the kernel is doing for it, what waits to be sent, and who reads
/// its bytes. Rules of the protocol are not here but in the two machines. It is one object with the
/// WebSocket that it may become, since a server has many that are idle.
typealias Connection = WebSocketConnection

extension Connection {
    /// Who reads, and what is left to do.
    enum Stage {
        /// The bytes are a request head, or wait for its decision; or, where we connect, a response
        /// head.
        case opening
        /// The bytes are frames.
        case open
        /// What is queued goes out, then our FIN; received bytes are discarded.
        case finishing
        /// Our FIN went out, the peer's is awaited: so no reset can overtake our last bytes.
        case lingering
        /// Both directions are down; the operations in flight end, then the descriptor is closed.
        case dropping
        /// The descriptor is closed and the slot is free.
        case released
    }

    /// Why nothing is read for now.
    struct ReadPauses: OptionSet {
        let rawValue: UInt8
        /// The peer does not read what we send.
        static let backpressure = ReadPauses(rawValue: 1)
        /// The application has not decided about the request, and the client does not wait for it.
        static let decision = ReadPauses(rawValue: 2)
        /// The application wants nothing for now.
        static let application = ReadPauses(rawValue: 4)
        /// What came before is held, and has to be read first.
        static let held = ReadPauses(rawValue: 8)
        /// The task that reads the messages is behind, or is not there yet.
        static let reader = ReadPauses(rawValue: 16)
        /// It broadcasts, and other workers are behind.
        static let broadcast = ReadPauses(rawValue: 32)
        /// What came of its messages this turn was inflated to enough: others come first.
        static let inflation = ReadPauses(rawValue: 64)
        /// It is not connected.
        static let connecting = ReadPauses(rawValue: 128)

        /// Those in which what has come already is held as well.
        static let holding: ReadPauses = [.application, .reader, .broadcast, .inflation]
    }

    /// Whether nothing but control frames has come for long, and how it is received from if so.
    enum Quiet {
        /// By the operation that brings bytes as they come, and takes the most memory.
        case no
        /// Not at all: the kernel tells when there is something.
        case polling
        /// Once, since there is something.
        case reading
    }

    func tag(_ kind: OperationTag.Kind) -> OperationTag {
        OperationTag(kind, generation: generation, slot: slot)
    }

    /// The WebSocket, once it is open and until the descriptor is closed.
    var webSocket: WebSocketConnection? { hasOpened && stage != .released ? self : nil }

    /// The socket; nil when it is closed.
    var transport: Connection? { stage == .released ? nil : self }

    /// Whose listener it came from; nil where we connect.
    var httpServer: HTTPServer? { context.httpServer }

    /// Whether ours is the client's side.
    var isClient: Bool { context.role == .client }

    /// Whether bytes should come in: to be read, or to see the peer's end.
    var wantsBytes: Bool {
        switch stage {
        case .opening, .open: pauses.isEmpty && !peerHasEnded
        case .finishing, .lingering: !peerHasEnded
        case .dropping, .released: false
        }
    }
}

/// What a connection has only while it speaks HTTP.
@WorkerActor
final class Opening {
    /// What may come before the request, and what to do with it.
    enum Preface {
        /// A header of the PROXY protocol, to be read.
        case required(ProxyHeaderStateMachine)
        /// One that nobody is trusted to send, to be seen.
        case unwelcome(ProxyHeaderStateMachine)
    }

    var preface: Preface?
    /// Reads the head of a request; nil where none has begun since the last answer, or is being
    /// served.
    var machine: HandshakeStateMachine?
    /// The ordinary request that is being read or answered.
    var exchange: HTTPExchange?
    /// The addresses that the transport vouches for, the nearest last.
    var transportAddresses: [String]
    /// The request that waits for its decision.
    var request: WebSocketRequest?
    /// Whether the handler returned without a decision.
    var isDeferred = false
    /// What came before the decision or the answer: frames, or further requests.
    var early: [UInt8] = []
    /// A client has to wait for the answer; of one that does not, no more than about this is read.
    static let earlyByteCountMax = 16_384

    /// Whether the application has a request and has not answered it.
    var isAwaitingAnswer: Bool { request != nil || exchange?.isAsked == true }
    /// Whether nothing of a request has come since the last answer.
    var isIdle: Bool { request == nil && exchange == nil && machine == nil }

    init(machine: consuming HandshakeStateMachine, remoteAddress: String, preface: Preface?) {
        self.machine = consume machine
        self.preface = preface
        transportAddresses = [remoteAddress]
    }
}
