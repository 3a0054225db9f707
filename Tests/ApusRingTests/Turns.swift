// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusRing
import Glibc
import Testing

/// The two ways that receive buffers are handed in; both must behave alike.
enum BufferMode: String, CaseIterable {
    case incremental, plain

    /// Buffers so small that everything meets their ends.
    func tiny(submissionEntries: UInt32 = 64, completionEntries: UInt32 = 256) -> RingConfiguration
    {
        RingConfiguration(
            submissionEntries: submissionEntries,
            completionEntries: completionEntries,
            bufferCount: 4,
            bufferByteCount: 64,
            incrementalBuffers: self == .incremental
        )
    }
}

/// What a completion says, without its bytes.
struct Outcome: Equatable {
    var kind: OperationTag.Kind?
    var slot: UInt32
    var result: Int32
    var hasMore = false

    init(_ kind: OperationTag.Kind, slot: UInt32 = 0, result: Int32, hasMore: Bool = false) {
        (self.kind, self.slot, self.result, self.hasMore) = (kind, slot, result, hasMore)
    }

    init(_ completion: Completion) {
        kind = completion.tag.kind
        slot = completion.tag.slot
        result = completion.result
        hasMore = completion.hasMore
    }
}

extension OperationTag {
    static func tag(_ kind: Kind, slot: UInt32 = 0) -> OperationTag {
        OperationTag(kind, generation: 7, slot: slot)
    }
}

extension Ring {
    /// The completions of one turn, at least one.
    func turn() throws -> [Completion] {
        let count = try wait(nanosecondsMax: patienceNanoseconds)
        try #require(count > 0, "nothing completed")
        var completions: [Completion] = []
        for index in 0..<count {
            completions.append(completion(at: index))
        }
        return completions
    }

    /// What completes without waiting.
    func ready() throws -> [Completion] {
        var completions: [Completion] = []
        for index in 0..<(try wait(nanosecondsMax: 0)) {
            completions.append(completion(at: index))
        }
        return completions
    }

    /// Outcomes of turns until there are that many.
    func outcomes(_ count: Int) throws -> [Outcome] {
        var outcomes: [Outcome] = []
        while outcomes.count < count {
            outcomes += try turn().map { Outcome($0) }
        }
        return outcomes
    }

    /// Sends and takes the turn that carries it out; nil: all of it was taken.
    func sendInTurn(_ bytes: [UInt8], on socket: Int32) throws -> Outcome? {
        try unsafe bytes.withUnsafeBytes { bytes in
            unsafe send(bytes, on: socket, tag: .tag(.send))
            let completions = try ready()
            #expect(completions.count <= 1)
            return completions.first.map { Outcome($0) }
        }
    }
}

/// A receive that is armed again after every end but the stream's, as a connection does it.
struct Receiver {
    private(set) var bytes: [UInt8] = []
    private(set) var pieces: [Int] = []
    private(set) var endings: [Int32] = []
    private(set) var isOver = false
    let socket: Int32
    let slot: UInt32

    init(_ socket: Int32, slot: UInt32 = 0, on ring: borrowing Ring) {
        self.socket = socket
        self.slot = slot
        ring.receive(on: socket, tag: .tag(.receive, slot: slot))
    }

    mutating func take(_ completion: Completion, on ring: borrowing Ring) {
        unsafe bytes.append(contentsOf: completion.bytes)
        if unsafe !completion.bytes.isEmpty {
            unsafe pieces.append(completion.bytes.count)
        }
        ring.giveBack(completion)
        guard !completion.hasMore else {
            return
        }
        endings.append(completion.result)
        if completion.result > 0 || completion.result == -ENOBUFS {
            ring.receive(on: socket, tag: .tag(.receive, slot: slot))
        } else {
            isOver = true
        }
    }

    /// Takes turns until that many bytes came in all, or the stream is over.
    mutating func run(on ring: borrowing Ring, until count: Int) throws {
        while bytes.count < count, !isOver {
            for completion in try ring.turn() {
                take(completion, on: ring)
            }
        }
    }
}
