// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol
import ApusTLS
import Logging
import Synchronization

/// What TLS needs at one listener: the configuration, and what was made of it.
///
/// Made before the fork, so that what cannot be used is told at the start and every worker has it.
final class TLSListener: Sendable {
    private struct State {
        var context: TLSContext
        var certificates: [TLSCertificate]
    }

    private let configuration: TLSConfiguration
    /// Which of the listeners it is, so that a session of another one is not resumed here.
    private let number: UInt32
    private let state: Mutex<State>

    init(_ configuration: TLSConfiguration, number: UInt32 = 0) throws(TLSSetupError) {
        self.configuration = configuration
        self.number = number
        state = Mutex(try Self.load(configuration, number))
    }

    var ticketRotation: Interval { configuration.ticketRotation }

    /// For the sessions from now on.
    var context: TLSContext { state.withLock { $0.context } }

    /// Those that are shown.
    var certificates: [TLSCertificate] { state.withLock { $0.certificates } }

    /// Reads everything anew; on an error all stays as it is.
    func reload() throws(TLSSetupError) {
        let loaded = try Self.load(configuration, number)
        state.withLock { state in
            loaded.context.copyTicketKeys(of: state.context)
            state = loaded
        }
    }

    func setTicketKeys(_ keys: TicketKeys) {
        state.withLock { state in
            unsafe keys.withCurrent {
                unsafe state.context.setTicketKeys(current: $0, previous: $1)
            }
        }
    }

    /// What a log line says of the certificates.
    var metadata: Logger.Metadata {
        ["sha256": "\(certificates.map(\.fingerprint).joined(separator: " "))"]
    }

    /// Certificates that are not valid at this time, in seconds since 1970, each with a sentence.
    func warnings(at now: Int64) -> [String] {
        certificates.compactMap { certificate in
            guard let validity = certificate.validity, !validity.contains(now) else { return nil }
            let problem = now < validity.lowerBound ? "is not valid yet" : "has expired"
            return "the certificate \(certificate.fingerprint) \(problem)"
        }
    }

    private static func load(
        _ configuration: TLSConfiguration,
        _ number: UInt32
    ) throws(TLSSetupError) -> State {
        var identities: [TLSIdentity] = []
        for identity in configuration.identities { identities.append(try identity.load()) }
        guard !identities.isEmpty else { throw TLSSetupError("TLS needs a certificate") }
        guard TLSConfiguration.ticketRotationRange.contains(configuration.ticketRotation) else {
            throw TLSSetupError("ticketRotation has to be 100 ms to 7 days")
        }
        let context = try TLSContext.server(
            identities: identities,
            clientCertificates: configuration.clientCertificates.resolved,
            refusesTLS12: configuration.minimumVersion == .tls13,
            listener: number
        )
        return State(context: context, certificates: identities.map(\.certificate))
    }
}
