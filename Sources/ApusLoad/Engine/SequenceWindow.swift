// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// Which of the messages of one stream have arrived, and how.
///
/// A message is reordered if one behind it arrived before it, as RFC 4737 has it: of two that are
/// swapped that is one. It is lost if it never arrives.
struct SequenceWindow {
    enum Arrival: Equatable {
        /// It is the next one.
        case inOrder
        /// Others before it have not arrived yet.
        case ahead
        /// Others behind it had arrived.
        case reordered
        /// It had arrived before.
        case duplicated
    }

    /// Gaps that are remembered; what falls out of the oldest is lost for good.
    static let gapCountMax = 1024

    /// Behind the last one that has arrived.
    private(set) var next: UInt64
    /// Those before `next` that have not, in their order; nearly always none.
    private var gaps: [Range<UInt64>] = []
    private var forgottenCount: UInt64 = 0

    init(next: UInt64 = 0) {
        self.next = next
    }

    /// Those that others have overtaken and that have not arrived.
    var missingCount: UInt64 {
        gaps.reduce(forgottenCount) { $0 + UInt64($1.count) }
    }

    var hasGaps: Bool { !gaps.isEmpty }

    /// The next one has arrived.
    @inline(__always)
    mutating func receivedNext() {
        next &+= 1
    }

    @inline(never)
    mutating func received(_ sequence: UInt64) -> Arrival {
        if sequence == next {
            next += 1
            return .inOrder
        }
        if sequence > next {
            passOver(upTo: sequence)
            next += 1
            return .ahead
        }
        guard let index = gaps.firstIndex(where: { $0.contains(sequence) }) else {
            return .duplicated
        }
        let gap = gaps[index]
        let rest = [gap.lowerBound..<sequence, (sequence + 1)..<gap.upperBound]
        gaps.replaceSubrange(index...index, with: rest.filter { !$0.isEmpty })
        return .reordered
    }

    /// Waits no longer for those before `sequence`; they may arrive all the same.
    mutating func passOver(upTo sequence: UInt64) {
        guard sequence > next else { return }
        gaps.append(next..<sequence)
        next = sequence
        guard gaps.count > Self.gapCountMax else { return }
        forgottenCount += UInt64(gaps.removeFirst().count)
    }

    /// What was overtaken was not owed.
    mutating func forgiveGaps() {
        gaps = []
    }
}
