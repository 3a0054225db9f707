// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Apus
import ApusCommandLine
import ApusProtocol
import ArgumentParser
import Logging

/// The flags of `apus serve` for TLS.
struct TLSOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Serve wss:// with this certificate and its chain, in PEM; again for other hosts.",
            valueName: "file"
        )
    )
    var tlsCertificate: [String] = []

    @Option(
        help: ArgumentHelp(
            "The key to it, in PEM, once for each certificate.",
            valueName: "file"
        )
    )
    var tlsKey: [String] = []

    @Flag(help: "Serve wss:// with a certificate for this machine that is made now.")
    var tlsSelfSigned = false

    @Option(
        help: ArgumentHelp(
            "Ask clients for certificates that those in this file vouch for.",
            valueName: "file"
        )
    )
    var tlsClientCA: String?

    @Option(help: "Whether clients have to show one: required or optional.")
    var tlsClientCertificates = ClientCertificates.required

    @Option(
        help: ArgumentHelp(
            "The time that one key seals tickets, and opens them after; by default 12 hours.",
            valueName: "time"
        )
    )
    var tlsTicketRotation: TimeSpan?

    enum ClientCertificates: String, ExpressibleByArgument {
        case required
        case optional
    }

    func validate() throws {
        guard tlsCertificate.count == tlsKey.count else {
            throw ValidationError("--tls-certificate and --tls-key come in pairs")
        }
        guard tlsCertificate.isEmpty || !tlsSelfSigned else {
            throw ValidationError("--tls-self-signed and --tls-certificate exclude each other")
        }
        guard tlsClientCA == nil || isWanted else {
            throw ValidationError("--tls-client-ca needs --tls-certificate or --tls-self-signed")
        }
        if let tlsTicketRotation {
            guard isWanted else {
                throw ValidationError(
                    "--tls-ticket-rotation needs --tls-certificate or --tls-self-signed"
                )
            }
            let range = TLSConfiguration.ticketRotationRange
            guard range.contains(tlsTicketRotation.interval) else {
                throw ValidationError("--tls-ticket-rotation has to be 100ms to 168h")
            }
        }
    }

    private var isWanted: Bool { tlsSelfSigned || !tlsCertificate.isEmpty }

    /// What they say; nil where TLS is not to be spoken.
    ///
    /// The host that is listened on is among the names of a certificate that is made.
    func configuration(host: String, logger: Logger) throws -> TLSConfiguration? {
        guard isWanted else { return nil }
        var configuration = TLSConfiguration(
            identities: zip(tlsCertificate, tlsKey).map { .files(certificate: $0, key: $1) }
        )
        if tlsSelfSigned {
            let identity = try selfSigned(for: host)
            configuration.identities = [identity]
            logger.notice(
                "a certificate was made",
                metadata: ["sha256": "\(identity.fingerprint ?? "")"]
            )
        }
        if let tlsClientCA {
            configuration.clientCertificates =
                switch tlsClientCertificates {
                case .required: .required(roots: tlsClientCA)
                case .optional: .optional(roots: tlsClientCA)
                }
        }
        if let tlsTicketRotation { configuration.ticketRotation = tlsTicketRotation.interval }
        return configuration
    }

    private func selfSigned(for host: String) throws -> TLSConfiguration.Identity {
        var names = ["localhost", "127.0.0.1", "::1"]
        for name in [host, SystemFile.text("/proc/sys/kernel/hostname")] {
            if let name, !name.isEmpty, !names.contains(name) { names.append(name) }
        }
        do {
            return try .selfSigned(names: names)
        } catch {
            throw CommandFailure(exitCode: error.code.exitCode, message: error.message)
        }
    }
}
