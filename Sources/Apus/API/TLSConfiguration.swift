// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

public import ApusProtocol
import ApusTLS

/// How an ``HTTPServer`` speaks TLS: its certificates, and whether it asks for its clients'.
///
/// ```swift
/// let tls = TLSConfiguration(certificate: "fullchain.pem", key: "privkey.pem")
/// let server = WebSocketServer(httpServers: [
///     HTTPServer(host: "::", port: 80), HTTPServer(host: "::", port: 443, tls: tls),
/// ])
/// ```
/// TLS 1.3 and 1.2 are spoken as Mozilla's intermediate profile (5.7) has it, but for finite-field
/// Diffie-Hellman: ciphers with forward secrecy that authenticate what they encrypt, X25519, P-256
/// and P-384. There is no compression, no renegotiation and no early data.
public struct TLSConfiguration: Sendable {
    /// The certificates, each with its key.
    ///
    /// A client that names a host gets the first one that is for it, and else the first of all.
    public var identities: [Identity]

    /// Whether clients are asked for certificates.
    public var clientCertificates = ClientCertificates.none

    /// The oldest version that is spoken.
    public var minimumVersion = Version.tls12

    /// How long session tickets are sealed with the same key, which opens them for as long again.
    ///
    /// A server has the same keys at all of its HTTP servers, and takes the shortest of their times.
    /// In ``ticketRotationRange``.
    public var ticketRotation: Interval = .seconds(12 * 3600)

    /// What ``ticketRotation`` may be: no ticket is good for more than a week (RFC 8446 §4.6.1), and
    /// workers have to see each key.
    public static let ticketRotationRange: ClosedRange<Interval> =
        .milliseconds(100) ... .seconds(7 * 24 * 3600)

    /// One certificate.
    public init(certificate: String, key: String) {
        identities = [.files(certificate: certificate, key: key)]
    }

    /// Several certificates, at least one.
    public init(identities: [Identity]) {
        self.identities = identities
    }

    /// Versions of TLS.
    public enum Version: Hashable, Sendable {
        /// RFC 5246, of 2008.
        case tls12

        /// RFC 8446, of 2018.
        case tls13
    }

    /// Whether clients are asked for certificates, and the file, in PEM, with the certificates of
    /// whoever may vouch for theirs.
    public enum ClientCertificates: Hashable, Sendable {
        /// They are not.
        case none

        /// They may show one; one that is not valid fails the handshake all the same.
        case optional(roots: String)

        /// Without a valid one there is no connection.
        case required(roots: String)

        var resolved: TLSContext.ClientCertificates {
            switch self {
            case .none: .none
            case .optional(let roots): .optional(rootsFile: roots)
            case .required(let roots): .required(rootsFile: roots)
            }
        }
    }

    /// A certificate with those that vouch for it, and its key.
    public struct Identity: Sendable {
        private enum Source {
            case files(certificate: String, key: String)
            case made(TLSIdentity)
        }

        private let source: Source

        /// Files in PEM: the certificate and behind it those that vouch for it; the key, without a
        /// passphrase.
        ///
        /// They are read when the server starts, and again when it is told to reload.
        public static func files(certificate: String, key: String) -> Identity {
            Identity(source: .files(certificate: certificate, key: key))
        }

        /// Makes a certificate that vouches for itself, for hosts and addresses, for a first try.
        ///
        /// Nobody else ever has the key. Throws where the system has no random bytes.
        public static func selfSigned(
            names: [String] = ["localhost", "127.0.0.1", "::1"]
        ) throws(ServerError) -> Identity {
            do {
                return Identity(source: .made(try TLSIdentity.selfSigned(names: names)))
            } catch {
                throw ServerError(.configuration, error.description)
            }
        }

        /// The SHA-256 of a certificate that was made here, as `AA:BB:…`; nil for one in files.
        public var fingerprint: String? {
            guard case .made(let identity) = source else { return nil }
            return identity.certificate.fingerprint
        }

        func load() throws(TLSSetupError) -> TLSIdentity {
            switch source {
            case .files(let certificate, let key):
                try TLSIdentity.load(certificateFile: certificate, keyFile: key)
            case .made(let identity): identity
            }
        }
    }
}

/// A certificate that the peer has shown, and that was found valid.
public struct PeerCertificate: Hashable, Sendable {
    private let certificate: TLSCertificate

    init(_ certificate: TLSCertificate) {
        self.certificate = certificate
    }

    /// Whom it is for, as RFC 4514 writes it: `CN=example.com,O=Example`.
    public var subject: String { certificate.subject }

    /// The alternative names, each with its kind: `DNS:example.com`, `IP:127.0.0.1`, `email:…`, `URI:…`.
    public var names: [String] { certificate.names }

    /// The SHA-256 of it, as `AA:BB:…`.
    public var fingerprint: String { certificate.fingerprint }

    /// As it is signed.
    public var der: [UInt8] { certificate.der }

    /// In PEM.
    public var pem: String { certificate.pem }
}
