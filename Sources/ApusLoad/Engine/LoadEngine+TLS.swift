// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol
import ApusRing
import ApusTLS
import Glibc

/// What the connections of a run to `wss://` have in common.
struct TLSClient {
    let context: TLSContext
    /// The memory that they take turns in.
    let wire = TLSWire()

    init(isInsecure: Bool) throws(LoadFailure) {
        do {
            context = try TLSContext.client(trust: isInsecure ? .anyone : .system)
        } catch {
            throw LoadFailure(.system, "\(error)")
        }
    }
}

/// What a connection to `wss://` has of its own.
final class SecureTransport {
    let session: TLSSession
    /// Records that the kernel did not take: they cannot be made again, and nothing may go before.
    var held: [UInt8] = []

    init(_ session: TLSSession) {
        self.session = session
    }
}

/// Between the connections and the ring, where the URL is `wss://`.
extension LoadEngine {
    /// The first flight of a connection that was made.
    mutating func beginTLS(on connection: ConnectionReference) {
        guard let tls else { preconditionFailure("no TLS") }
        connection.state.stage = .securing
        do {
            let session = try TLSSession.client(tls.context, host: url.host, on: tls.wire)
            connection.state.secure = SecureTransport(session)
        } catch {
            fail(connection, "\(error)")
            return
        }
        sendRecords(of: connection)
    }

    /// Ciphertext that came; what it says goes the way of bytes that came plainly.
    mutating func takeRecords(
        _ bytes: UnsafeMutableRawBufferPointer,
        from connection: ConnectionReference
    ) {
        guard let secure = connection.state.secure else { return }
        let received = unsafe secure.session.receive(UnsafeRawBufferPointer(bytes))
        let events = received.events
        sendRecords(of: connection)
        if events.contains(.established), connection.state.stage == .securing {
            sendRequest(on: connection)
        }
        if unsafe !received.plaintext.isEmpty {
            unsafe takePlaintext(received.plaintext, from: connection)
        }
        if let failure = secure.session.failure, events.contains(.failed) {
            fail(connection, failure.kind)
        } else if events.contains(.closed) {
            fail(connection, "closed")
        }
    }

    /// Bytes become records, which are sent or held; their count, or `-errno`.
    mutating func seal(
        _ bytes: UnsafeRawBufferPointer,
        on connection: ConnectionReference
    ) -> Int {
        guard let secure = connection.state.secure, unsafe secure.session.send(bytes) else {
            tls?.wire.removeOutput()
            return -Int(EPIPE)
        }
        let result = pass(on: connection, secure)
        return result < 0 ? result : bytes.count
    }

    /// The last record, if it is taken at once.
    mutating func endTLS(on connection: ConnectionReference) {
        guard let secure = connection.state.secure else { return }
        secure.session.close()
        if let tls, secure.held.isEmpty {
            _ = unsafe sendNow(tls.wire.output, on: connection.state.socket)
        }
        tls?.wire.removeOutput()
    }

    /// Records that waited, once the kernel takes more.
    mutating func sendHeld(of connection: ConnectionReference) {
        guard let secure = connection.state.secure, !secure.held.isEmpty else { return }
        let held = secure.held
        secure.held = []
        let result = unsafe held.withUnsafeBytes { bytes in
            unsafe pass(bytes, on: connection, secure)
        }
        if result < 0 { fail(connection, LoadFailureKind.of(errno: Int32(-result))) }
    }

    /// What the session has to say by itself.
    private mutating func sendRecords(of connection: ConnectionReference) {
        guard let secure = connection.state.secure else { return }
        let result = pass(on: connection, secure)
        if result < 0 { fail(connection, LoadFailureKind.of(errno: Int32(-result))) }
    }

    private mutating func pass(
        on connection: ConnectionReference,
        _ secure: SecureTransport
    ) -> Int {
        guard let wire = tls?.wire else { return 0 }
        defer { wire.removeOutput() }
        return unsafe pass(wire.output, on: connection, secure)
    }

    /// Records for the kernel, and what it does not take for later; 0 or `-errno`.
    private mutating func pass(
        _ records: UnsafeRawBufferPointer,
        on connection: ConnectionReference,
        _ secure: SecureTransport
    ) -> Int {
        var taken = 0
        if secure.held.isEmpty, unsafe !records.isEmpty {
            taken = unsafe sendNow(records, on: connection.state.socket)
            guard taken >= 0 || Verdict.ofSend(errno: Int32(-taken)) == .retry else { return taken }
            taken = max(0, taken)
        }
        if taken < records.count {
            unsafe secure.held += records[taken...]
            if !connection.state.isAwaitingWritable { awaitWritable(connection) }
        }
        return 0
    }
}

extension TLSFailure {
    /// What it is called in a report.
    fileprivate var kind: String {
        switch fault {
        case .certificate: "tls: certificate \(reason)"
        case .refused: "tls: refused, \(alert ?? reason)"
        case .violation, .flood, .system: "tls: \(reason)"
        }
    }
}
