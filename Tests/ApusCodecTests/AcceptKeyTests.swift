// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import Testing

@Suite("Accept key") struct AcceptKeyTests {
    /// The first is the example of RFC 6455 §1.3; the others were computed by OpenSSL.
    @Test(arguments: [
        ("dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ("AAAAAAAAAAAAAAAAAAAAAA==", "ICX+Yqv66kxgM0FcWaLWlFLwTAI="),
        ("/////////////////////w==", "XXpj4jYzLM2yUE0C7TIgMwTQh2g="),
        ("x3JJHMbDL1EzLkh9GBhXDw==", "HSmrc0sMlYUkAGmm5OPpG2HaGWk="),
    ])
    func `a key is answered by the hash of it and the GUID`(key: String, accept: String) {
        #expect(AcceptKey.accept(for: key) == accept)
    }

    @Test(arguments: [
        "dGhlIHNhbXBsZSBub25jZQ==", "AAAAAAAAAAAAAAAAAAAAAA==", "++++++++++++++++++++/A==",
        "/////////////////////w==", "zzzzzzzzzzzzzzzzzzzzzQ==", "999999999999999999999g==",
    ])
    func `the base64 of 16 bytes is a key`(key: String) {
        #expect(AcceptKey.isValid(key))
    }

    @Test(arguments: [
        "", "=", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZQ===",
        "dGhlIHNhbXBsZSBub25jZR==", "dGhlIHNhbXBsZSBub25jZf==", "dGhlIHNhbXBsZSBub25jZQ=A",
        "dGhlIHNhbXBsZSBub25jZQA=", "dGhlIHNhbXBsZSBub25jZQAA", "dGhl IHNhbXBsZSBub25jQ==",
        "dGhl-HNhbXBsZSBub25jZQ==", "dGhl_HNhbXBsZSBub25jZQ==", "dGhl=HNhbXBsZSBub25jZQ==",
        "dGhlIHNhbXBsZSBub25jZ===", "dGhlIHNhbXBsZSBub25j====", "dGhlIHNhbXBsZSBub25jä==",
        " dGhlIHNhbXBsZSBub25jZQ=", "AAAAAAAAAAAAAAAAAAAAAAAA\u{0}",
    ])
    func `anything else is not`(key: String) {
        #expect(!AcceptKey.isValid(key))
    }

    @Test func `only the digits of base64 may stand in a key`() {
        let digits = Set(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8
        )
        let key = Array("dGhlIHNhbXBsZSBub25jZQ==".utf8)
        for index in 0..<21 {
            let accepted = (UInt8.min...UInt8.max).filter { byte in
                var changed = key
                changed[index] = byte
                return AcceptKey.isValid(changed.span)
            }
            #expect(Set(accepted) == digits, "at \(index)")
        }
    }

    @Test func `a key of another length traps`() async {
        await #expect(processExitsWith: .failure) {
            _ = AcceptKey.accept(for: [1, 2, 3].span)
        }
    }
}
