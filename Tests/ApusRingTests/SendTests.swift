// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusRing
import Glibc
import Testing

@Suite struct Sends {
    @Test(arguments: Stream.Family.allCases)
    func `whole send has no completion and is carried out by its wait`(
        family: Stream.Family
    ) throws {
        let ring = try Ring(configuration: BufferMode.plain.tiny())
        let stream = try Stream(family)
        #expect(try ring.sendInTurn(pattern(5000), on: stream.ours) == nil)
        #expect(stream.peerReads(5000) == pattern(5000))
        #expect(try ring.sendInTurn([], on: stream.ours) == nil)
    }

    @Test(arguments: Stream.Family.allCases)
    func `short send tells exactly how much was taken, and the rest goes on`(
        family: Stream.Family
    ) throws {
        let ring = try Ring(configuration: BufferMode.plain.tiny())
        let stream = try Stream(family)
        stream.limitSendBuffer(byteCount: 4096)
        let bytes = pattern(1_000_000)
        var offset = 0
        var received: [UInt8] = []
        var shortSends = 0
        while offset < bytes.count {
            if let outcome = try ring.sendInTurn(Array(bytes[offset...]), on: stream.ours) {
                #expect(outcome.kind == .send)
                if outcome.result > 0 {
                    #expect(Int(outcome.result) < bytes.count - offset)
                    offset += Int(outcome.result)
                    shortSends += 1
                } else {
                    #expect(outcome.result == -EAGAIN)
                }
                ring.awaitWritable(stream.ours, tag: .tag(.writable))
                while try ring.ready().isEmpty {
                    received += stream.peerReadsReady()
                }
            } else {
                offset = bytes.count
            }
        }
        received += stream.peerReads(bytes.count - received.count)
        #expect(received == bytes)
        #expect(shortSends > 0)
    }

    @Test func `full socket takes nothing and is writable once it was read from`() throws {
        let ring = try Ring(configuration: BufferMode.plain.tiny())
        let stream = try Stream()
        stream.limitSendBuffer(byteCount: 4096)
        let first = try #require(try ring.sendInTurn(pattern(1_000_000), on: stream.ours))
        #expect(first.result > 0)
        #expect(try ring.sendInTurn(pattern(1), on: stream.ours) == Outcome(.send, result: -EAGAIN))
        ring.awaitWritable(stream.ours, tag: .tag(.writable, slot: 3))
        #expect(try ring.ready().isEmpty)

        #expect(stream.peerReadsReady() == pattern(Int(first.result)))
        let writable = try #require(try ring.outcomes(1).first)
        #expect(writable.kind == .writable)
        #expect(writable.slot == 3)
        #expect(writable.result > 0)
        #expect(!writable.hasMore)
    }

    @Test func `send to a peer that is gone is an error and no signal`() throws {
        let ring = try Ring(configuration: BufferMode.plain.tiny())
        let stream = try Stream()
        stream.closePeer()
        #expect(try ring.sendInTurn([1], on: stream.ours) == Outcome(.send, result: -EPIPE))
        #expect(sendNow([[1]], on: stream.ours, by: ring) == -Int(EPIPE))
    }

    /// Twice as many operations as fit, and the ones that fail are still told in the one wait.
    @Test func `submission queue of four takes ten thousand sends in one turn`() throws {
        let ring = try Ring(configuration: BufferMode.plain.tiny(submissionEntries: 4))
        #expect(ring.features.submissionEntries == 4)
        let stream = try Stream(.tcp)
        let broken = try Stream()
        broken.closePeer()
        let bytes = pattern(10_000)
        let outcomes = try unsafe bytes.withUnsafeBytes { bytes in
            for index in 0..<10_000 {
                let piece = unsafe UnsafeRawBufferPointer(rebasing: bytes[index...index])
                unsafe ring.send(piece, on: stream.ours, tag: .tag(.send, slot: 1))
                if index % 1000 == 0 {
                    unsafe ring.send(piece, on: broken.ours, tag: .tag(.send, slot: 2))
                }
            }
            return try ring.ready().map { Outcome($0) }
        }
        #expect(outcomes == Array(repeating: Outcome(.send, slot: 2, result: -EPIPE), count: 10))
        #expect(stream.peerReads(10_000) == bytes)
    }

    @Test func `refused operation does not hold back those behind it`() throws {
        let ring = try Ring(configuration: BufferMode.plain.tiny())
        let stream = try Stream()
        ring.receive(on: -1, tag: .tag(.receive, slot: 1))
        ring.awaitWritable(-1, tag: .tag(.writable, slot: 2))
        #expect(
            try ring.sendInTurnAmongOthers([5], on: stream.ours)
                == [
                    Outcome(.receive, slot: 1, result: -EBADF),
                    Outcome(.writable, slot: 2, result: -EBADF),
                ]
        )
        #expect(stream.peerReads(1) == [5])
    }

    @Test(arguments: Stream.Family.allCases)
    func `parts leave in order, sixteen at a time`(family: Stream.Family) throws {
        let ring = try Ring(configuration: BufferMode.plain.tiny())
        let stream = try Stream(family)
        let parts = (0..<20).map { pattern($0 * 10, from: $0) }
        let sixteen = Array(parts[..<16].joined())
        #expect(sendNow(parts, on: stream.ours, by: ring) == sixteen.count)
        #expect(stream.peerReads(sixteen.count) == sixteen)
        #expect(sendNow([pattern(7)], on: stream.ours, by: ring) == 7)
        #expect(stream.peerReads(7) == pattern(7))
        #expect(sendNow([], on: stream.ours, by: ring) == 0)
        #expect(sendNow([[], []], on: stream.ours, by: ring) == 0)
    }

    @Test func `full socket takes no parts`() throws {
        let ring = try Ring(configuration: BufferMode.plain.tiny())
        let stream = try Stream()
        stream.limitSendBuffer(byteCount: 4096)
        let taken = sendNow([pattern(500_000), pattern(500_000)], on: stream.ours, by: ring)
        #expect(taken > 0 && taken < 1_000_000)
        #expect(sendNow([[1]], on: stream.ours, by: ring) == -Int(EAGAIN))
        #expect(stream.peerReadsReady().count == taken)
    }
}

extension Ring {
    fileprivate func sendInTurnAmongOthers(_ bytes: [UInt8], on socket: Int32) throws -> [Outcome] {
        try unsafe bytes.withUnsafeBytes { bytes in
            unsafe send(bytes, on: socket, tag: .tag(.send))
            return try ready().map { Outcome($0) }
        }
    }
}

private func sendNow(_ parts: [[UInt8]], on socket: Int32, by ring: borrowing Ring) -> Int {
    // One run of memory, so that all parts can be pointed into at once.
    let bytes = Array(parts.joined())
    return unsafe bytes.withUnsafeBytes { bytes in
        var start = 0
        var views: [UnsafeRawBufferPointer] = unsafe []
        for part in parts {
            unsafe views.append(
                UnsafeRawBufferPointer(rebasing: bytes[start..<start + part.count])
            )
            start += part.count
        }
        return unsafe views.withUnsafeBufferPointer { unsafe ring.sendNow($0, on: socket) }
    }
}
