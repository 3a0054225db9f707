// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
@testable import ApusProtocol
import ApusTestSupport
import Testing

/// Counters where no stream of a test could bring them, hence the look inside.
@Suite(.rfc6455("10.4")) struct `The largest limits` {
    private static let configuration = ConnectionConfiguration.limits(
        frame: .max,
        message: .max,
        fragments: .max
    )

    private func endpoint(byteCount: UInt64, fragmentCount: UInt32) -> Endpoint {
        let endpoint = Endpoint(.server, Self.configuration)
        endpoint.feed(WireBytes(to: .server).binary([], isFinal: false))
        endpoint.machine.message?.byteCount = byteCount
        endpoint.machine.message?.fragmentCount = fragmentCount
        return endpoint
    }

    @Test func `count the last fragment and refuse the next`() {
        let endpoint = endpoint(byteCount: 0, fragmentCount: .max - 1)
        let fragment = WireBytes(to: .server).continuation([], isFinal: false)
        endpoint.feed(fragment)
        #expect(endpoint.events.isEmpty)
        endpoint.feed(fragment)
        #expect(endpoint.events == [.fail(.tooManyFragments)])
    }

    @Test func `count the last byte and refuse the next`() {
        let peer = WireBytes(to: .server)
        let endpoint = endpoint(byteCount: .max - 1, fragmentCount: 1)
        endpoint.feed(peer.continuation([1], isFinal: false))
        #expect(endpoint.events == [.unfinished(.binary, [1])])
        let length = [127] + WireBytes.bigEndian(UInt64(Int64.max), byteCount: 8)
        endpoint.feed(peer.header(firstByte: 0x80, length: length))
        #expect(endpoint.events == [.fail(.messageTooBig)])
    }
}
