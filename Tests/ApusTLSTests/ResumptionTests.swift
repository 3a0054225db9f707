// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusTLS
import ApusTestSupport
import COpenSSL
import Testing

/// A client of OpenSSL's own that comes back with the session it had; ours never does.
@safe
private final class ResumingClient {
    private let context: OpaquePointer
    private var session: OpaquePointer?

    init(version: Int) throws {
        unsafe context = try #require(unsafe SSL_CTX_new(TLS_client_method()))
        unsafe SSL_CTX_ctrl(context, SSL_CTRL_SET_MAX_PROTO_VERSION, version, nil)
    }

    deinit {
        unsafe SSL_SESSION_free(session)
        unsafe SSL_CTX_free(context)
    }

    /// Shakes hands with a server and keeps the ticket; what that server says of it.
    func visit(_ context: TLSContext) throws -> TLSSession {
        let server = try Endpoint(server: context)
        guard let ssl = unsafe SSL_new(self.context) else {
            preconditionFailure("there is no memory for a session")
        }
        defer { unsafe SSL_free(ssl) }
        let (input, output) = unsafe (BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()))
        unsafe SSL_set_bio(ssl, input, output)
        unsafe SSL_set_connect_state(ssl)
        if let session = unsafe session { unsafe SSL_set_session(ssl, session) }
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        var isTalking = true
        while isTalking {
            // A read drives the handshake, and takes the tickets behind it.
            var byte: UInt8 = 0
            _ = unsafe SSL_read(ssl, &byte, 1)
            let count = unsafe BIO_read(output, &bytes, Int32(bytes.count))
            if count > 0 { server.receive(Array(bytes[..<Int(count)])) }
            let answer = server.takeOutput()
            _ = unsafe BIO_write(input, answer, Int32(answer.count))
            isTalking = count > 0 || !answer.isEmpty
        }
        if server.session.isEstablished {
            unsafe SSL_SESSION_free(session)
            unsafe session = SSL_get1_session(ssl)
        }
        // Else the session is not kept for another time.
        unsafe SSL_set_quiet_shutdown(ssl, 1)
        unsafe SSL_shutdown(ssl)
        return server.session
    }
}

@Suite struct `Resumption between listeners` {
    private static let key = (0..<TLSContext.ticketKeyByteCount).map {
        UInt8(truncatingIfNeeded: $0)
    }

    private static func context(
        _ clientCertificates: TLSContext.ClientCertificates,
        listener: UInt32 = 0
    ) throws -> TLSContext {
        let context = try TLSContext.server(
            identities: [try Credentials.shared.identity],
            clientCertificates: clientCertificates,
            listener: listener
        )
        unsafe key.withUnsafeBytes { unsafe context.setTicketKeys(current: $0, previous: $0) }
        return context
    }

    @Test(arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
    func `is for the same listener alone`(version: Int32) throws {
        let client = try ResumingClient(version: Int(version))
        let first = try Self.context(.none)
        let second = try Self.context(.none, listener: 1)
        #expect(try !client.visit(first).isResumed)
        #expect(try client.visit(first).isResumed)
        // As another worker's, or made anew.
        #expect(try client.visit(Self.context(.none)).isResumed)
        let elsewhere = try client.visit(second)
        #expect(elsewhere.isEstablished && !elsewhere.isResumed)
    }

    @Test(arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
    func `spares nobody the certificate that is required`(version: Int32) throws {
        let roots = TemporaryFile(try Credentials.shared.identity.certificate.pem)
        let client = try ResumingClient(version: Int(version))
        let optional = try Self.context(.optional(rootsFile: roots.path))
        #expect(try client.visit(optional).isEstablished)
        #expect(try client.visit(optional).isResumed)
        let required = try Self.context(.required(rootsFile: roots.path))
        #expect(try !client.visit(required).isEstablished)
    }
}
