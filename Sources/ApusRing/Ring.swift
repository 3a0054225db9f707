// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import CApusRing
import Glibc

/// An io_uring with a ring of receive buffers, for the thread that made it.
///
/// Never shared and never inherited: the kernel refuses every other thread, and the child of a
/// fork, with `EEXIST`.
@safe
package struct Ring: ~Copyable {
    /// Bytes that one ``send(_:on:tag:)`` takes at most.
    package static let sendByteCountMax = 1 << 30

    /// Parts that one ``sendNow(_:on:)`` looks at; more are left for the next one.
    package static let sendPartCountMax = 16

    // Both live until deinit, and nothing else frees them.
    private let ring: OpaquePointer
    private let completions: UnsafePointer<apus_completions>

    /// Makes a ring: `apus_ring_create`.
    ///
    /// `EINVAL` from `io_uring_setup` is a kernel before Linux 6.1; ``RingReport`` tells the rest.
    package init(configuration: RingConfiguration = .init()) throws(RingError) {
        var wanted = apus_ring_configuration(
            submission_entries: configuration.submissionEntries,
            completion_entries: configuration.completionEntries,
            buffer_count: configuration.bufferCount ?? 0,
            buffer_size: configuration.bufferByteCount ?? 0,
            buffer_mode: APUS_BUFFERS_BEST
        )
        if let isIncremental = configuration.incrementalBuffers {
            wanted.buffer_mode = isIncremental ? APUS_BUFFERS_INCREMENTAL : APUS_BUFFERS_PLAIN
        }
        var made: OpaquePointer?
        var operation: UnsafePointer<CChar>?
        let result = unsafe apus_ring_create(&wanted, &made, &operation)
        guard result == 0, let made = unsafe made else {
            // The name is a constant of the shim.
            let name = unsafe operation.map { unsafe String(cString: $0) }
            throw RingError(operation: name ?? "io_uring_setup", errno: -result)
        }
        unsafe ring = made
        unsafe completions = apus_ring_completions(made)
    }

    deinit {
        unsafe apus_ring_destroy(ring)
    }

    /// What the kernel gave: `apus_ring_get_features`.
    package var features: RingFeatures {
        let features = unsafe apus_ring_get_features(ring)
        return RingFeatures(
            submissionEntries: features.submission_entries,
            completionEntries: features.completion_entries,
            bufferCount: features.buffer_count,
            bufferByteCount: features.buffer_size,
            incrementalBuffers: features.is_incremental,
            noSQArray: features.is_without_sqarray,
            registeredRing: features.is_registered
        )
    }

    /// Completions whose bytes were not given back yet: `apus_ring_lent_count`.
    package var lentBufferCount: Int {
        Int(unsafe apus_ring_lent_count(ring))
    }
}

// MARK: - Operations of the ring

extension Ring: RingVerbs {
    package func accept(from listener: Int32, tag: OperationTag) {
        unsafe apus_ring_accept(ring, listener, tag.rawValue)
    }

    package func connect(
        _ socket: Int32,
        to address: UnsafeRawBufferPointer,
        tag: OperationTag
    ) {
        guard let start = address.baseAddress else {
            preconditionFailure("a connection to no address")
        }
        unsafe apus_ring_connect(ring, socket, start, address.count, tag.rawValue)
    }

    package func receive(on socket: Int32, tag: OperationTag) {
        unsafe apus_ring_receive(ring, socket, tag.rawValue)
    }

    package func receiveOnce(on socket: Int32, tag: OperationTag) {
        unsafe apus_ring_receive_once(ring, socket, tag.rawValue)
    }

    package func send(_ bytes: UnsafeRawBufferPointer, on socket: Int32, tag: OperationTag) {
        precondition(bytes.count <= Self.sendByteCountMax, "a send of \(bytes.count) bytes")
        unsafe apus_ring_send(ring, socket, bytes.baseAddress, bytes.count, tag.rawValue)
    }

    package func awaitWritable(_ socket: Int32, tag: OperationTag) {
        unsafe apus_ring_await_writable(ring, socket, tag.rawValue)
    }

    package func awaitReadable(_ descriptor: Int32, tag: OperationTag) {
        unsafe apus_ring_await_readable(ring, descriptor, tag.rawValue)
    }

    package func cancel(_ target: OperationTag, tag: OperationTag) {
        unsafe apus_ring_cancel(ring, target.rawValue, tag.rawValue)
    }
}

// MARK: - The turn

extension Ring {
    package func wait(nanosecondsMax: UInt64?) throws(RingError) -> Int {
        // Beyond 292 years the end of time is as good as none.
        let limit = nanosecondsMax.map { Int64(clamping: $0) } ?? -1
        let count = unsafe apus_ring_wait(ring, limit)
        guard count >= 0 else {
            throw RingError(operation: "io_uring_enter", errno: Int32(clamping: -count))
        }
        return Int(count)
    }

    package func completion(at index: Int) -> Completion {
        unsafe assert(index >= 0 && index < completions.pointee.count, "no completion \(index)")
        let completion = unsafe completions.pointee.items[index]
        let tag = unsafe OperationTag(rawValue: completion.tag)
        guard let bytes = unsafe completion.bytes else {
            return unsafe Completion(
                tag: tag,
                result: completion.result,
                hasMore: completion.has_more
            )
        }
        // The shim lends exactly `result` bytes, which is positive then.
        return unsafe Completion(
            tag: tag,
            result: completion.result,
            hasMore: completion.has_more,
            bufferIndex: completion.buffer,
            bytes: UnsafeMutableRawBufferPointer(start: bytes, count: Int(completion.result))
        )
    }

    package func giveBack(_ completion: Completion) {
        guard let index = completion.bufferIndex else {
            return
        }
        let wasLent = unsafe apus_ring_give_back(ring, index)
        precondition(wasLent, "buffer \(index) was given back before")
    }
}

// MARK: - At once, by system call

extension Ring {
    package func socket(for address: UnsafeRawBufferPointer) -> Int32 {
        guard let start = address.baseAddress else {
            preconditionFailure("a socket for no address")
        }
        return unsafe apus_socket_make(start, address.count)
    }

    package func sendNow(
        _ parts: UnsafeBufferPointer<UnsafeRawBufferPointer>,
        on socket: Int32
    ) -> Int {
        let count = min(parts.count, Self.sendPartCountMax)
        return unsafe withUnsafeTemporaryAllocation(of: iovec.self, capacity: count) { vectors in
            for index in 0..<count {
                let part = unsafe parts[index]
                // The kernel reads the parts; iovec serves both ways and so asks for mutable ones.
                unsafe vectors.initializeElement(
                    at: index,
                    to: iovec(
                        iov_base: UnsafeMutableRawPointer(mutating: part.baseAddress),
                        iov_len: part.count
                    )
                )
            }
            guard let first = vectors.baseAddress else {
                return 0
            }
            return Int(unsafe apus_socket_send(socket, first, count))
        }
    }

    package func shutdownSending(_ socket: Int32) {
        // ENOTCONN: the peer was faster, and the receive tells.
        _ = apus_socket_shutdown_sending(socket)
    }

    package func shutdownBoth(_ socket: Int32) {
        _ = apus_socket_shutdown_both(socket)
    }

    package func close(_ socket: Int32) {
        let result = apus_socket_close(socket)
        // Whoever closes a number that is not open closes somebody else's next time.
        precondition(result != -EBADF, "descriptor \(socket) is not open")
    }

    package func remoteAddress(of socket: Int32) -> String {
        unsafe withUnsafeTemporaryAllocation(
            of: CChar.self,
            capacity: Int(APUS_ADDRESS_SIZE)
        ) { text in
            guard let start = text.baseAddress, unsafe apus_socket_peer(socket, start) > 0 else {
                return ""
            }
            return unsafe String(cString: start)
        }
    }
}
