// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import ApusCodec
import CApusCodec
import Testing

@Suite("Closing") struct ClosingTests {
    @Test func `codes on the wire are those of the RFC and its registry`() {
        let valid = Set(1000...1003).union(1007...1014).union(3000...4999)
        let found = (0...65_535).filter { CloseCode(rawValue: UInt16($0)).isValidOnTheWire }
        #expect(Set(found) == valid)
    }

    @Test func `a close frame takes exactly the codes that are valid on the wire`() {
        for rawValue in UInt16.min...UInt16.max {
            let code = CloseCode(rawValue: rawValue)
            let bytes = [UInt8(rawValue >> 8), UInt8(rawValue & 0xFF)]
            let decoded = ClosePayload.decode(bytes, range: 0..<2)
            let isRight =
                if case .payload(let payload) = decoded {
                    payload.code == code && payload.reasonRange == 2..<2 && code.isValidOnTheWire
                } else {
                    decoded == .violation(.invalidCloseCode) && !code.isValidOnTheWire
                }
            if !isRight {
                Issue.record("\(rawValue): \(decoded)")
            }
        }
    }

    @Test func `an empty payload stands for no status`() throws {
        let decoded = ClosePayload.decode([1, 2, 3], range: 2..<2)
        guard case .payload(let payload) = decoded else {
            Issue.record("\(decoded)")
            return
        }
        #expect(payload.code == .noStatusReceived)
        #expect(payload.reasonRange == 2..<2)
    }

    @Test func `a payload of one byte is refused`() {
        let decoded = ClosePayload.decode([0x03], range: 0..<1)
        #expect(decoded == .violation(.closePayloadTooShort))
    }

    @Test(arguments: ["", "bye", "größer", String(repeating: "🐝", count: 30)])
    func `the reason is what follows the code`(reason: String) {
        let bytes: [UInt8] = [0xFF, 0x03, 0xE8] + Array(reason.utf8) + [0xFF]
        let decoded = ClosePayload.decode(bytes, range: 1..<(bytes.count - 1))
        guard case .payload(let payload) = decoded else {
            Issue.record("\(decoded)")
            return
        }
        #expect(payload.code == .normalClosure)
        #expect(bytes[payload.reasonRange].elementsEqual(reason.utf8))
    }

    @Test(arguments: [[0xFF], [0xC3], [0x61, 0xE2, 0x82], [0xED, 0xA0, 0x80]] as [[UInt8]])
    func `a reason that is not whole UTF-8 is refused`(reason: [UInt8]) {
        let bytes = [0x03, 0xE8] + reason
        let decoded = ClosePayload.decode(bytes, range: 0..<bytes.count)
        #expect(decoded == .violation(.invalidUTF8))
    }
}

@Suite("Protocol violation") struct ProtocolViolationTests {
    static let closeCodes: [(apus_result, UInt16)] = [
        (APUS_OK, 0), (APUS_INCOMPLETE, 0), (APUS_RESERVED_BITS, 1002),
        (APUS_RESERVED_OPCODE, 1002), (APUS_CONTROL_FRAGMENTED, 1002),
        (APUS_CONTROL_TOO_LONG, 1002), (APUS_LENGTH_NOT_MINIMAL, 1002),
        (APUS_LENGTH_TOP_BIT, 1002), (APUS_MASK_MISSING, 1002), (APUS_MASK_UNEXPECTED, 1002),
        (APUS_INVALID_UTF8, 1007), (APUS_CLOSE_PAYLOAD_TOO_SHORT, 1002),
        (APUS_CLOSE_CODE_INVALID, 1002),
    ]

    @Test(arguments: closeCodes.indices)
    func `every result has its close code`(index: Int) {
        let (result, code) = Self.closeCodes[index]
        #expect(apus_result_close_code(result) == code)
    }

    static let violations: [(apus_result, ProtocolViolation, section: String)] = [
        (APUS_RESERVED_BITS, .reservedBits, "5.2"),
        (APUS_RESERVED_OPCODE, .reservedOpcode, "5.2"),
        (APUS_CONTROL_FRAGMENTED, .fragmentedControlFrame, "5.5"),
        (APUS_CONTROL_TOO_LONG, .oversizedControlFrame, "5.5"),
        (APUS_LENGTH_NOT_MINIMAL, .nonMinimalLength, "5.2"),
        (APUS_LENGTH_TOP_BIT, .lengthTopBit, "5.2"),
        (APUS_MASK_MISSING, .missingMask, "5.1"),
        (APUS_MASK_UNEXPECTED, .unexpectedMask, "5.1"),
        (APUS_INVALID_UTF8, .invalidUTF8, "8.1"),
        (APUS_CLOSE_PAYLOAD_TOO_SHORT, .closePayloadTooShort, "5.5.1"),
        (APUS_CLOSE_CODE_INVALID, .invalidCloseCode, "7.4"),
        (APUS_CONTINUATION_UNEXPECTED, .continuationWithoutStart, "5.4"),
        (APUS_CONTINUATION_MISSING, .interleavedMessage, "5.4"),
        (APUS_FRAME_TOO_BIG, .frameTooBig, "10.4"),
        (APUS_MESSAGE_TOO_BIG, .messageTooBig, "10.4"),
        (APUS_TOO_MANY_FRAGMENTS, .tooManyFragments, "10.4"),
    ]

    @Test(arguments: violations.indices)
    func `every broken rule names its section, its close code and a reason that fits`(index: Int) {
        let (result, violation, section) = Self.violations[index]
        #expect(ProtocolViolation(result) == violation)
        #expect(violation.rfcSection == section)
        #expect(violation.closeCode.rawValue == apus_result_close_code(result))
        #expect((1...123).contains(violation.description.utf8.count))
    }

    @Test func `the version is that of the header`() {
        let numbers = [
            APUS_CODEC_VERSION_MAJOR, APUS_CODEC_VERSION_MINOR, APUS_CODEC_VERSION_PATCH,
        ]
        #expect(numbers.map { "\($0)" }.joined(separator: ".") == APUS_CODEC_VERSION)
        #expect(unsafe String(cString: apus_codec_version()) == APUS_CODEC_VERSION)
    }
}
