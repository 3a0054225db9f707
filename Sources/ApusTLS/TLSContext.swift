// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import CApusTLS

/// What sessions have in common: certificates, whom they trust, and what tickets are made with.
///
/// May be made before a fork, and used after it.
@safe
package final class TLSContext: @unchecked Sendable {
    // Used by the sessions of one thread at a time; freed here and nowhere else, after the last of
    // its sessions, since each has it.
    let pointer: OpaquePointer

    private init(_ pointer: OpaquePointer) {
        unsafe self.pointer = pointer
    }

    deinit {
        unsafe apus_tls_context_destroy(pointer)
    }

    /// Whether clients are asked for certificates, and the file with whoever may vouch for those.
    package enum ClientCertificates: Hashable, Sendable {
        case none
        case optional(rootsFile: String)
        case required(rootsFile: String)
    }

    /// For servers: `apus_tls_context_server`.
    ///
    /// The first identity is shown to clients that name no host which another one is for. Sessions of
    /// one listener are not resumed by another.
    package static func server(
        identities: [TLSIdentity],
        clientCertificates: ClientCertificates = .none,
        refusesTLS12: Bool = false,
        listener: UInt32 = 0
    ) throws(TLSSetupError) -> TLSContext {
        precondition(!identities.isEmpty, "a server has a certificate")
        let (kind, rootsFile): (apus_tls_client_certificates, String?) =
            switch clientCertificates {
            case .none: (APUS_TLS_CLIENTS_ANONYMOUS, nil)
            case .optional(let file): (APUS_TLS_CLIENTS_OPTIONAL, file)
            case .required(let file): (APUS_TLS_CLIENTS_REQUIRED, file)
            }
        var problem = apus_tls_problem()
        let pointers = unsafe identities.map { unsafe $0.pointer }
        let made = unsafe apus_tls_context_server(
            pointers,
            pointers.count,
            kind,
            rootsFile,
            refusesTLS12,
            listener,
            &problem
        )
        guard let made = unsafe made else { throw TLSSetupError(problem) }
        return unsafe TLSContext(made)
    }

    /// Whom a client trusts to vouch for servers.
    package enum Trust: Hashable, Sendable {
        case system
        case file(String)
        /// Certificates are not checked.
        case anyone
    }

    /// For clients; with what to show to servers that ask: `apus_tls_context_client`.
    package static func client(
        trust: Trust = .system,
        identity: TLSIdentity? = nil
    ) throws(TLSSetupError) -> TLSContext {
        let (kind, file): (apus_tls_trust, String?) =
            switch trust {
            case .system: (APUS_TLS_TRUST_SYSTEM, nil)
            case .file(let file): (APUS_TLS_TRUST_FILE, file)
            case .anyone: (APUS_TLS_TRUST_ANYONE, nil)
            }
        var problem = apus_tls_problem()
        let made = unsafe apus_tls_context_client(kind, file, identity?.pointer, &problem)
        guard let made = unsafe made else { throw TLSSetupError(problem) }
        return unsafe TLSContext(made)
    }

    /// How many bytes a key of tickets is made of, all of them random.
    package static let ticketKeyByteCount = MemoryLayout<apus_tls_ticket_key>.size

    /// Copies keys: the current one is for new tickets, those of the one before are taken, and renewed.
    ///
    /// Without a call it has a key of its own. The copies are overwritten by the next ones, and when
    /// the context ends: `apus_tls_context_set_ticket_keys`.
    package func setTicketKeys(
        current: UnsafeRawBufferPointer,
        previous: UnsafeRawBufferPointer
    ) {
        precondition(
            current.count == Self.ticketKeyByteCount && previous.count == current.count,
            "\(current.count) and \(previous.count) bytes for ticket keys"
        )
        guard let current = current.baseAddress, let previous = previous.baseAddress else { return }
        unsafe apus_tls_context_set_ticket_keys(
            pointer,
            current.assumingMemoryBound(to: apus_tls_ticket_key.self),
            previous.assumingMemoryBound(to: apus_tls_ticket_key.self)
        )
    }

    /// The same with the keys of another one, if it was given any:
    /// `apus_tls_context_copy_ticket_keys`.
    package func copyTicketKeys(of other: TLSContext) {
        unsafe apus_tls_context_copy_ticket_keys(pointer, other.pointer)
    }
}
