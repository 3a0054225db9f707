// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import CApusTLS

/// The TLS of one connection: bytes in, bytes out; it knows no socket.
///
/// ``receive(_:)`` takes what the peer sent. What it held for the application is then the wire's
/// ``TLSWire/plaintext``, and what is to be sent, if anything, the wire's ``TLSWire/output``.
@safe
package final class TLSSession {
    // Freed here and nowhere else; it has the addresses of the other two, which live as long.
    private let pointer: OpaquePointer
    private let context: TLSContext
    private let wire: TLSWire

    /// How much of what it said by itself its peer has not read, as its owner counts.
    package var unreadByteCount = 0

    private init(_ pointer: OpaquePointer, _ context: TLSContext, _ wire: TLSWire) {
        unsafe self.pointer = pointer
        self.context = context
        self.wire = wire
    }

    deinit {
        unsafe apus_tls_session_destroy(pointer)
    }

    /// For a connection that came in; nil where there is no memory: `apus_tls_session_server`.
    package static func server(_ context: TLSContext, on wire: TLSWire) -> TLSSession? {
        guard let made = unsafe apus_tls_session_server(context.pointer, wire.pointer) else {
            return nil
        }
        return unsafe TLSSession(made, context, wire)
    }

    /// For a connection to a host, a name or an address, whose certificate has to be for it.
    ///
    /// Its first words are in the wire's output. Throws where no such host can be, or there is no
    /// memory: `apus_tls_session_client`.
    package static func client(
        _ context: TLSContext,
        host: String,
        on wire: TLSWire
    ) throws(TLSSetupError) -> TLSSession {
        var problem = apus_tls_problem()
        let made = unsafe apus_tls_session_client(context.pointer, host, wire.pointer, &problem)
        guard let made = unsafe made else { throw TLSSetupError(problem) }
        return unsafe TLSSession(made, context, wire)
    }

    /// What has happened; several at once in this order.
    package struct Events: OptionSet, Sendable {
        package let rawValue: Int32

        package init(rawValue: Int32) {
            self.rawValue = rawValue
        }

        /// The handshake is done: data may be sent.
        package static let established = Events(rawValue: Int32(APUS_TLS_ESTABLISHED))
        /// The peer sends no more, and says so; the plaintext is what it sent before.
        package static let closed = Events(rawValue: Int32(APUS_TLS_CLOSED))
        /// ``failure`` says why; nothing but the output can be sent any more.
        package static let failed = Events(rawValue: Int32(APUS_TLS_FAILED))
    }

    /// What came of ciphertext.
    @safe
    package struct Received {
        /// None, but at a session's two ends.
        package let events: Events
        /// Whether the wire has output.
        package let hasOutput: Bool
        /// The wire's, until the next receive of any of its sessions; may be written to.
        package let plaintext: UnsafeMutableRawBufferPointer
    }

    /// Takes ciphertext, all of it: `apus_tls_session_receive`.
    package func receive(_ ciphertext: UnsafeRawBufferPointer) -> Received {
        let events = unsafe apus_tls_session_receive(
            pointer,
            ciphertext.assumingMemoryBound(to: UInt8.self).baseAddress,
            ciphertext.count
        )
        return unsafe Received(
            events: Events(rawValue: events),
            hasOutput: wire.pointer.pointee.output_count > 0,
            plaintext: wire.plaintext
        )
    }

    /// Nothing has come for long: gives back what a busy session keeps, `apus_tls_session_rest`.
    package func rest() {
        unsafe apus_tls_session_rest(pointer)
    }

    /// Puts records into the wire's output: `apus_tls_session_send`.
    ///
    /// False where nothing can be sent: before the handshake is done, after ``close()`` and a failure.
    package func send(_ plaintext: UnsafeRawBufferPointer) -> Bool {
        guard let base = plaintext.baseAddress else { return true }
        return unsafe apus_tls_session_send(
            pointer,
            base.assumingMemoryBound(to: UInt8.self),
            plaintext.count
        )
    }

    /// Puts close_notify into the wire's output, once, if there is a session to be closed:
    /// `apus_tls_session_close`.
    package func close() {
        unsafe apus_tls_session_close(pointer)
    }

    /// Why it failed; nil while it has not.
    package var failure: TLSFailure? {
        let failure = unsafe apus_tls_session_failure(pointer)
        return unsafe failure.fault == APUS_TLS_FAULT_NONE ? nil : TLSFailure(failure)
    }

    /// Whether the handshake is done.
    package var isEstablished: Bool { unsafe apus_tls_session_is_established(pointer) }

    /// Whether it keeps OpenSSL's buffers until it rests, or another one is busy instead.
    package var isBusy: Bool { unsafe apus_tls_session_is_busy(pointer) }

    /// Whether it goes on with what an earlier session had agreed upon.
    package var isResumed: Bool { unsafe apus_tls_session_is_resumed(pointer) }

    /// `TLSv1.3`; empty before the handshake is done.
    package var version: String { unsafe String(cString: apus_tls_session_version(pointer)) }

    /// `TLS_AES_128_GCM_SHA256`; empty before the handshake is done.
    package var cipher: String { unsafe String(cString: apus_tls_session_cipher(pointer)) }

    /// The peer's certificate, as it was checked; nil where it showed none.
    package var peerCertificate: TLSCertificate? {
        let der = unsafe bytes { unsafe apus_tls_session_peer_certificate(pointer, $0, $1) }
        return der.isEmpty ? nil : TLSCertificate(der: der)
    }

    /// Takes new keys, and asks the peer to, in the wire's output; false before TLS 1.3:
    /// `apus_tls_session_update_keys`.
    package func updateKeys() -> Bool {
        unsafe apus_tls_session_update_keys(pointer)
    }
}
