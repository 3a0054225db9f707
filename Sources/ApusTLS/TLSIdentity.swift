// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import CApusTLS

/// A certificate, those that vouch for it, and its private key, which stays in memory.
@safe
package final class TLSIdentity: @unchecked Sendable {
    // Never changed, so that threads may share it; freed here and nowhere else.
    let pointer: OpaquePointer

    private init(_ pointer: OpaquePointer) {
        unsafe self.pointer = pointer
    }

    deinit {
        unsafe apus_tls_identity_destroy(pointer)
    }

    /// Reads a chain and the key to its first certificate, both in PEM: `apus_tls_identity_load`.
    package static func load(
        certificateFile: String,
        keyFile: String
    ) throws(TLSSetupError) -> TLSIdentity {
        var problem = apus_tls_problem()
        guard let made = unsafe apus_tls_identity_load(certificateFile, keyFile, &problem) else {
            throw TLSSetupError(problem)
        }
        return unsafe TLSIdentity(made)
    }

    /// Makes one that vouches for itself, for hosts or addresses: `apus_tls_identity_self_signed`.
    package static func selfSigned(names: [String]) throws(TLSSetupError) -> TLSIdentity {
        var problem = apus_tls_problem()
        let made = unsafe apus_tls_identity_self_signed(
            names.joined(separator: " "),
            &problem
        )
        guard let made = unsafe made else { throw TLSSetupError(problem) }
        return unsafe TLSIdentity(made)
    }

    /// The certificate itself: `apus_tls_identity_certificate`.
    package var certificate: TLSCertificate {
        TLSCertificate(
            der: unsafe bytes { unsafe apus_tls_identity_certificate(pointer, $0, $1) }
        )
    }
}
