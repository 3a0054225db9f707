// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusTLS
import ApusTestSupport
import Testing

@Suite struct TLSCertificateTests {
    private let identity: TLSIdentity
    private var certificate: TLSCertificate { identity.certificate }

    init() throws {
        identity = try Credentials.shared.identity
    }

    @Test func `a certificate says whom it is for`() {
        #expect(certificate.subject == "CN=Apus\\, self-signed")
        #expect(certificate.names == ["DNS:localhost", "IP:127.0.0.1", "IP:0:0:0:0:0:0:0:1"])
    }

    @Test func `a fingerprint is 32 bytes in pairs of digits`() {
        let parts = certificate.fingerprint.split(separator: ":")
        #expect(parts.count == 32)
        #expect(parts.allSatisfy { $0.count == 2 && UInt8($0, radix: 16) != nil })
    }

    @Test func `a certificate of our own is valid now, and for a year`() throws {
        let validity = try #require(certificate.validity)
        #expect(validity.upperBound - validity.lowerBound == 365 * 86_400 + 3600)
    }

    @Test func `bytes that are no certificate say nothing`() {
        let certificate = TLSCertificate(der: [1, 2, 3])
        #expect(certificate.subject == "")
        #expect(certificate.names == [])
        #expect(certificate.pem == "")
        #expect(certificate.validity == nil)
    }

    @Test func `a client sees the certificate of the name that it asks for`() throws {
        let other = try Credentials.shared.other.certificate
        for (host, expected) in [
            ("localhost", certificate), ("other.example", other), ("a.wild.example", other),
            ("OTHER.example", other), ("unknown.example", certificate), ("127.0.0.1", certificate),
        ] {
            let pair = try SessionPair.established(host: host)
            #expect(pair.client.session.peerCertificate == expected, "\(host)")
            #expect(pair.server.session.peerCertificate == nil)
        }
    }

    @Test func `a client refuses whom it does not trust, and a name that is another's`() throws {
        let file = TemporaryFile(certificate.pem)
        let trusting = try TLSContext.client(trust: .file(file.path))
        for host in ["localhost", "127.0.0.1", "::1"] {
            _ = try SessionPair.established(client: trusting, host: host)
        }
        for (context, host, reason) in [
            (trusting, "example.com", "hostname mismatch"),
            (trusting, "127.0.0.2", "IP address mismatch"),
            (try TLSContext.client(), "localhost", "self-signed certificate"),
        ] {
            let pair = try SessionPair(client: context, host: host)
            pair.talk()
            let failure = try #require(pair.client.session.failure)
            #expect(failure.fault == .certificate)
            #expect(failure.reason == reason)
            #expect(pair.server.session.failure?.fault == .refused)
        }
    }

    @Test(arguments: ["other.example.", "one.wild.example", "one.wild.example."])
    func `the dot of the root belongs to no name`(host: String) throws {
        let other = try Credentials.shared.other.certificate
        let roots = TemporaryFile(other.pem)
        let client = try TLSContext.client(trust: .file(roots.path))
        let pair = try SessionPair.established(client: client, host: host)
        #expect(pair.client.session.peerCertificate == other)
    }

    @Test func `a wildcard stands for a whole label`() throws {
        let identity = try TLSIdentity.selfSigned(names: ["w*.wild.example"])
        let server = try TLSContext.server(identities: [identity])
        let roots = TemporaryFile(identity.certificate.pem)
        let client = try TLSContext.client(trust: .file(roots.path))
        let pair = try SessionPair(client: client, server: server, host: "www.wild.example")
        pair.talk()
        #expect(pair.client.session.failure?.reason == "hostname mismatch")
    }

    @Test func `a server asks for certificates, and takes those that its roots vouch for`() throws {
        let roots = TemporaryFile(certificate.pem)
        let known = try TLSContext.client(trust: .anyone, identity: identity)
        let stranger = try TLSContext.client(
            trust: .anyone,
            identity: try Credentials.shared.other
        )
        let none = try TLSContext.client(trust: .anyone)
        let required = try Credentials.shared.context(
            clientCertificates: .required(rootsFile: roots.path)
        )
        let optional = try Credentials.shared.context(
            clientCertificates: .optional(rootsFile: roots.path)
        )
        for (client, server, isTaken) in [
            (known, required, true), (known, optional, true), (none, optional, true),
            (none, required, false), (stranger, required, false), (stranger, optional, false),
        ] {
            let pair = try SessionPair(client: client, server: server)
            pair.talk()
            #expect(pair.server.session.isEstablished == isTaken)
            #expect(
                pair.server.session.peerCertificate
                    == (isTaken && client === known ? certificate : nil)
            )
        }
    }

    // MARK: Files

    private static func problem(_ certificate: String, _ key: String) -> String {
        do {
            _ = try TLSIdentity.load(certificateFile: certificate, keyFile: key)
            return "none"
        } catch {
            return error.description
        }
    }

    @Test func `a file that cannot be used is named, with why`() {
        let good = TemporaryFile(certificate.pem)
        let empty = TemporaryFile("")
        let cut = TemporaryFile(String(certificate.pem.dropLast(60)))
        #expect(
            Self.problem("/nowhere/a.pem", "/nowhere/b.pem")
                == "the certificate file /nowhere/a.pem cannot be read: No such file or directory"
        )
        #expect(
            Self.problem(good.path, "/nowhere/b.pem")
                == "the key file /nowhere/b.pem cannot be read: No such file or directory"
        )
        for file in [empty, cut] {
            #expect(
                Self.problem(file.path, file.path).hasPrefix(
                    "the certificate file \(file.path) has no certificate in PEM: "
                )
            )
        }
        #expect(
            Self.problem(good.path, good.path).hasPrefix(
                "the key file \(good.path) has no private key in PEM without a passphrase: "
            )
        )
    }

    @Test func `roots that cannot be used are named, with why`() throws {
        let empty = TemporaryFile("")
        #expect(throws: TLSSetupError.self) {
            try TLSContext.client(trust: .file(empty.path))
        }
        #expect(throws: TLSSetupError.self) {
            try TLSContext.server(
                identities: [identity],
                clientCertificates: .required(rootsFile: "/nowhere/roots.pem")
            )
        }
    }
}
