// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusProtocol
import ApusTLS
import Testing

/// The TLS of a virtual peer: of a client, or of a server.
final class VirtualTLS {
    private let wire = TLSWire()
    let session: TLSSession
    private(set) var events: TLSSession.Events = []

    /// What was to be sent before it could be.
    private var early: [UInt8] = []

    private init(_ make: (TLSWire) throws -> TLSSession?) {
        do {
            session = try #require(try make(wire))
        } catch {
            preconditionFailure("there is no TLS for tests: \(error)")
        }
    }

    static func client(host: String = "localhost") -> VirtualTLS {
        VirtualTLS { try TLSSession.client(try clientContext.get(), host: host, on: $0) }
    }

    static func server() -> VirtualTLS {
        VirtualTLS { wire in
            let context = try TLSContext.server(identities: [try identity.get()])
            return TLSSession.server(context, on: wire)
        }
    }

    private static let clientContext = Result { try TLSContext.client(trust: .anyone) }

    /// Made once, since keys take their time.
    private static let identity = Result {
        try TLSIdentity.selfSigned(names: ["localhost", "10.0.0.1"])
    }

    /// The certificate of ``server()``.
    static var certificate: TLSCertificate {
        get throws { try identity.get().certificate }
    }

    /// Whether the peer said that nothing more comes.
    var sawClose: Bool { events.contains(.closed) }

    func send(_ bytes: [UInt8]) {
        guard session.isEstablished else {
            early += bytes
            return
        }
        _ = unsafe bytes.withUnsafeBytes { unsafe session.send($0) }
    }

    /// What came for whoever speaks HTTP and WebSocket.
    func receive(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        let now = unsafe bytes.withUnsafeBytes { unsafe session.receive($0).events }
        events.formUnion(now)
        let plaintext = unsafe Array(wire.plaintext)
        if now.contains(.established), !early.isEmpty {
            let early = early
            self.early = []
            send(early)
        }
        return plaintext
    }

    /// Takes what it has to say.
    func takeOutput() -> [UInt8] {
        defer { wire.removeOutput() }
        return unsafe Array(wire.output)
    }
}

extension TLSListener {
    /// One with a certificate that was made for the tests.
    static func made(ticketRotation: Interval = .seconds(60)) throws -> TLSListener {
        var configuration = TLSConfiguration(identities: [try identity.get()])
        configuration.ticketRotation = ticketRotation
        return try TLSListener(configuration)
    }

    private static let identity = Result { try TLSConfiguration.Identity.selfSigned() }
}
