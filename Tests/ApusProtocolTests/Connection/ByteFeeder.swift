// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusProtocol
import ApusTestSupport
import Testing

/// Feeds a stream whole, cut in two at every place, and byte by byte.
struct ByteFeeder {
    var role: Role
    var configuration = ConnectionConfiguration.limits()
    /// Whether our Close went out before the first byte came.
    var isClosing = false

    /// Expects the same events of every cut, and the outcome and state that follow from them.
    func expect(
        _ events: ConnectionEvent...,
        from wire: [UInt8],
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        for (index, pieces) in Self.cuts(of: wire.count).enumerated() {
            // The rest of a cut message finds no room, a little, or more than it needs, in turn.
            let endpoint = endpoint(sourceLocation, targetRoom: [0, 3, 4096][index % 3])
            for piece in pieces {
                endpoint.feed(wire[piece])
            }
            let cut = Comment("\(pieces.count) pieces, the first of \(pieces[0].count) bytes")
            let outcome = events.last?.outcome
            #expect(endpoint.events == events, cut, sourceLocation: sourceLocation)
            #expect(endpoint.machine.closeOutcome == outcome, cut, sourceLocation: sourceLocation)
            #expect(
                endpoint.isOpen == (outcome == nil && !isClosing),
                cut,
                sourceLocation: sourceLocation
            )
            #expect(
                endpoint.isClosed == (outcome != nil),
                cut,
                sourceLocation: sourceLocation
            )
        }
    }

    /// How many bytes had come when the machine gave the connection up; nil if it did not.
    func byteCountBeforeFailure(in wire: [UInt8]) -> Int? {
        let endpoint = endpoint(#_sourceLocation, targetRoom: 0)
        for index in wire.indices {
            endpoint.feed(wire[index...index])
            if case .fail = endpoint.events.last { return index + 1 }
        }
        return nil
    }

    private func endpoint(_ sourceLocation: SourceLocation, targetRoom: Int) -> Endpoint {
        let endpoint = Endpoint(
            role,
            configuration,
            targetRoom: targetRoom,
            sourceLocation: sourceLocation
        )
        if isClosing { _ = endpoint.machine.close(at: .zero) }
        return endpoint
    }

    /// Long streams are cut in two near their ends and at strides between only.
    private static func cuts(of byteCount: Int) -> [[Range<Int>]] {
        let inTwo =
            if byteCount <= 512 {
                EverySplit.inTwo(byteCount)
            } else {
                (Array(0..<32) + stride(from: 32, to: byteCount - 32, by: byteCount / 16)
                    + Array(byteCount - 32..<byteCount)).map { [0..<$0, $0..<byteCount] }
            }
        return [[0..<byteCount]] + inTwo + [EverySplit.byteByByte(byteCount)]
    }
}
