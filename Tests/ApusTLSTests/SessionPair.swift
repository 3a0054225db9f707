// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusTLS
import Testing

/// One side of a session, with all that it ever had to say, and a wire of its own unless it is given
/// one.
@safe
final class Endpoint {
    let wire: TLSWire
    let session: TLSSession
    private(set) var events: TLSSession.Events = []
    /// What came for the application.
    private(set) var received: [UInt8] = []

    init(server context: TLSContext, on wire: TLSWire = TLSWire()) throws {
        self.wire = wire
        session = try #require(TLSSession.server(context, on: wire))
    }

    init(client context: TLSContext, host: String = "localhost") throws {
        wire = TLSWire()
        session = try TLSSession.client(context, host: host, on: wire)
    }

    /// Takes what it has to say.
    func takeOutput() -> [UInt8] {
        let output = unsafe [UInt8](wire.output)
        wire.removeOutput()
        return output
    }

    @discardableResult
    func receive(_ bytes: [UInt8]) -> TLSSession.Events {
        let now = unsafe bytes.withUnsafeBytes { unsafe session.receive($0).events }
        unsafe received.append(contentsOf: wire.plaintext)
        events.formUnion(now)
        return now
    }

    @discardableResult
    func send(_ bytes: [UInt8]) -> Bool {
        unsafe bytes.withUnsafeBytes { unsafe session.send($0) }
    }
}

/// A client and a server that hear each other, in pieces of some size.
final class SessionPair {
    let client: Endpoint
    let server: Endpoint
    /// How the bytes of a flight are cut: none is larger.
    var pieceByteCountMax = Int.max
    /// How many bytes each has sent.
    private(set) var clientByteCount = 0
    private(set) var serverByteCount = 0

    init(
        client: TLSContext? = nil,
        server: TLSContext? = nil,
        on wire: TLSWire = TLSWire(),
        host: String = "localhost"
    ) throws {
        self.client = try Endpoint(client: client ?? .client(trust: .anyone), host: host)
        self.server = try Endpoint(server: server ?? Credentials.shared.context(), on: wire)
    }

    /// Lets both talk until neither has anything to say.
    func talk() {
        while true {
            let fromClient = client.takeOutput()
            let fromServer = server.takeOutput()
            guard !fromClient.isEmpty || !fromServer.isEmpty else { return }
            clientByteCount += fromClient.count
            serverByteCount += fromServer.count
            deliver(fromClient, to: server)
            deliver(fromServer, to: client)
        }
    }

    private func deliver(_ bytes: [UInt8], to endpoint: Endpoint) {
        var rest = bytes[...]
        while !rest.isEmpty {
            endpoint.receive(Array(rest.prefix(pieceByteCountMax)))
            rest = rest.dropFirst(pieceByteCountMax)
        }
    }

    /// The client sends so many messages of a byte, each by itself, and the server reads them.
    func sendMessages(_ count: Int) {
        for index in 0..<count {
            client.send([UInt8(truncatingIfNeeded: index)])
            server.receive(client.takeOutput())
        }
    }

    /// A pair that has shaken hands, the server on that wire.
    static func established(
        client: TLSContext? = nil,
        server: TLSContext? = nil,
        on wire: TLSWire = TLSWire(),
        host: String = "localhost"
    ) throws -> SessionPair {
        let pair = try SessionPair(client: client, server: server, on: wire, host: host)
        pair.talk()
        try #require(pair.client.session.isEstablished && pair.server.session.isEstablished)
        return pair
    }
}

/// Certificates that are made once, since keys take their time.
struct Credentials: Sendable {
    private static let made = Result { try Credentials() }

    static var shared: Credentials {
        get throws { try made.get() }
    }

    let identity: TLSIdentity
    let other: TLSIdentity

    private init() throws {
        identity = try .selfSigned(names: ["localhost", "127.0.0.1", "::1"])
        other = try .selfSigned(names: ["other.example", "*.wild.example"])
    }

    func context(
        clientCertificates: TLSContext.ClientCertificates = .none,
        refusesTLS12: Bool = false
    ) throws -> TLSContext {
        try .server(
            identities: [identity, other],
            clientCertificates: clientCertificates,
            refusesTLS12: refusesTLS12
        )
    }
}
