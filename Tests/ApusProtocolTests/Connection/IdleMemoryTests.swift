// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
@testable import ApusProtocol
import ApusTestSupport
import Testing

/// What an idle connection costs times a million, hence the look inside.
@Suite struct `The memory of an idle connection` {
    @Test func `has a decoder only in the middle of something`() {
        let peer = WireBytes(to: .server)
        let streams = [
            peer.text("abc"), peer.ping([1, 2, 3]), peer.pong(),
            peer.binary([1], isFinal: false) + peer.ping([2]) + peer.continuation([3]),
        ]
        for stream in streams {
            for cut in 0...stream.count {
                let endpoint = Endpoint(.server)
                endpoint.feed(stream[..<cut])
                let isIdle = cut == 0 || cut == stream.count
                #expect((endpoint.machine.box == nil) == isIdle, "\(stream), cut at \(cut)")
                endpoint.feed(stream[cut...])
                let isIdleAtEnd = endpoint.machine.box == nil
                #expect(isIdleAtEnd, "\(stream), cut at \(cut)")
            }
        }
    }

    @Test func `is given back when the connection is over`() {
        let endpoint = Endpoint(.server)
        endpoint.feed(WireBytes(to: .server).text("abc").dropLast())
        _ = endpoint.machine.transportClosed(at: .zero)
        let hasDecoder = endpoint.machine.box != nil
        #expect(!hasDecoder)
    }
}
