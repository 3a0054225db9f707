// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// What a message that has come is, of those that a connection sent.
enum Reply: Equatable {
    /// The next one, as it was sent.
    case next(UInt64)
    /// One before which others are missing.
    case ahead(UInt64)
    /// One that others have overtaken.
    case reordered(UInt64)
    /// One that had come before.
    case duplicated
    /// Not what was sent; it stands for the next one.
    case corrupted
    /// Nothing was sent that it could be.
    case unexpected
}

/// Where the replies of a connection stand.
struct ReplyStream {
    /// A publisher's message that is further ahead is none of its.
    static let aheadCountMax: UInt64 = 1 << 32

    let origin: MessageOrigin
    var window = SequenceWindow()

    /// What a whole payload is, of `begunCount` messages sent; most are the next one.
    ///
    /// `isOurKind`: it is text where text was sent, and so on.
    @inline(__always)
    mutating func take(
        _ payload: UnsafeRawBufferPointer,
        isOurKind: Bool,
        begunCount: UInt64,
        pattern: MessagePattern
    ) -> Reply {
        let sequence = window.next
        if sequence < begunCount, isOurKind {
            let message = pattern.message(sequence, from: origin)
            if message.byteCount == payload.count, unsafe message.matches(payload) {
                window.receivedNext()
                return .next(sequence)
            }
        }
        return unsafe takeOdd(payload, isOurKind, begunCount, pattern)
    }

    @inline(never)
    private mutating func takeOdd(
        _ payload: UnsafeRawBufferPointer,
        _ isOurKind: Bool,
        _ begunCount: UInt64,
        _ pattern: MessagePattern
    ) -> Reply {
        guard isOurKind, let sequence = unsafe origin.sequence(in: payload, near: window.next)
        else { return takeCorrupted(begunCount: begunCount) }
        let message = pattern.message(sequence, from: origin)
        guard message.byteCount == payload.count, unsafe message.matches(payload) else {
            return takeCorrupted(begunCount: begunCount)
        }
        // Nothing is what was sent last, once more.
        let isRepeated = payload.count == 0 && sequence == begunCount && sequence > 0
        return isRepeated ? .duplicated : take(sequence, begunCount: begunCount)
    }

    /// What an intact message with this number is.
    mutating func take(_ sequence: UInt64, begunCount: UInt64) -> Reply {
        guard sequence < begunCount else { return .unexpected }
        return switch window.received(sequence) {
        case .inOrder: .next(sequence)
        case .ahead: .ahead(sequence)
        case .reordered: .reordered(sequence)
        case .duplicated: .duplicated
        }
    }

    /// Whether a publisher may have sent a message with this number, of so many or nobody knows how
    /// many: any bytes may be taken for a short message, with some number or other.
    func isCredible(_ sequence: UInt64, publishedCount: UInt64?) -> Bool {
        sequence < publishedCount ?? window.next + Self.aheadCountMax
    }

    /// A message that is none of those that were sent.
    mutating func takeCorrupted(begunCount: UInt64) -> Reply {
        guard window.next < begunCount else { return .unexpected }
        window.receivedNext()
        return .corrupted
    }

    /// Those of `begunCount` that have not come.
    func missingCount(of begunCount: UInt64) -> UInt64 {
        window.missingCount + begunCount - min(begunCount, window.next)
    }
}
