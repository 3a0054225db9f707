// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import CApusTLS

/// A certificate: its bytes, and what they say, found when asked for.
package struct TLSCertificate: Hashable, Sendable {
    /// As it is signed.
    package let der: [UInt8]

    package init(der: [UInt8]) {
        self.der = der
    }

    /// Whom it is for, as RFC 4514 writes it: `apus_tls_certificate_subject`.
    package var subject: String {
        unsafe text { unsafe apus_tls_certificate_subject($0, $1, $2, $3) }
    }

    /// The alternative names, such as `DNS:example.com`: `apus_tls_certificate_name`.
    package var names: [String] {
        let count = unsafe der.withUnsafeBufferPointer { der in
            guard let base = der.baseAddress else { return 0 }
            return unsafe apus_tls_certificate_name_count(base, der.count)
        }
        return (0..<count).map { index in
            unsafe text { unsafe apus_tls_certificate_name($0, $1, index, $2, $3) }
        }.filter { !$0.isEmpty }
    }

    /// In PEM: `apus_tls_certificate_pem`.
    package var pem: String {
        unsafe text { unsafe apus_tls_certificate_pem($0, $1, $2, $3) }
    }

    /// The SHA-256 of it, as `AA:BB:…`: `apus_tls_certificate_fingerprint`.
    package var fingerprint: String {
        let digest = unsafe [UInt8](unsafeUninitializedCapacity: 32) { output, count in
            unsafe der.withUnsafeBufferPointer { der in
                guard let base = der.baseAddress, let output = output.baseAddress,
                    unsafe apus_tls_certificate_fingerprint(base, der.count, output)
                else { return }
                count = 32
            }
        }
        return digest.map { byte in
            let digits = String(byte, radix: 16, uppercase: true)
            return byte < 16 ? "0" + digits : digits
        }.joined(separator: ":")
    }

    /// When it is valid, in seconds since 1970: `apus_tls_certificate_validity`.
    package var validity: ClosedRange<Int64>? {
        unsafe der.withUnsafeBufferPointer { der in
            var from: Int64 = 0
            var until: Int64 = 0
            guard let base = der.baseAddress,
                unsafe apus_tls_certificate_validity(base, der.count, &from, &until), from <= until
            else { return nil }
            return from...until
        }
    }

    private typealias Writer = (
        UnsafePointer<UInt8>, Int, UnsafeMutablePointer<CChar>?, Int
    ) -> Int

    /// What a function of the shim writes; asked twice, since it tells how long that is.
    private func text(_ write: Writer) -> String {
        unsafe der.withUnsafeBufferPointer { der in
            guard let base = der.baseAddress else { return "" }
            let capacity = unsafe write(base, der.count, nil, 0)
            return unsafe String(unsafeUninitializedCapacity: capacity) { output in
                unsafe output.withMemoryRebound(to: CChar.self) { output in
                    unsafe min(capacity, write(base, der.count, output.baseAddress, capacity))
                }
            }
        }
    }
}

/// The bytes that a function of the shim copies; asked twice, since it tells how many they are.
func bytes(_ copy: (UnsafeMutablePointer<UInt8>?, Int) -> Int) -> [UInt8] {
    let capacity = copy(nil, 0)
    return unsafe [UInt8](unsafeUninitializedCapacity: capacity) { output, count in
        count = unsafe min(capacity, copy(output.baseAddress, capacity))
    }
}
