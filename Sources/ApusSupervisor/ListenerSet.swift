// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import CApusSystem
import Glibc

/// The listeners of one address: made before any fork, one for each slot, kept open for life.
///
/// On a TCP port each slot has its own (`SO_REUSEPORT`), so that the kernel spreads connections and
/// what is queued in a slot waits for the slot's next worker. A Unix socket cannot be shared out like
/// this: all slots have the same listener.
package struct ListenerSet: Sendable {
    package let spec: ListenerSpec

    /// The real address: `127.0.0.1:3001`, `[::1]:3001`, or a Unix socket's path.
    package let address: String

    /// The real port; nil for a Unix socket.
    package let port: UInt16?

    let descriptors: [Int32]
    let file: apus_file?

    /// The listener of a slot, owned by the set.
    package func descriptor(forSlot slot: Int) -> Int32 {
        descriptors[slot]
    }

    /// Those that are not the slot's.
    func descriptors(notOfSlot slot: Int) -> [Int32] {
        descriptors.filter { $0 != descriptors[slot] }
    }

    /// Opens the listeners, non-blocking, close-on-exec and with `TCP_NODELAY` for what they accept.
    ///
    /// - Parameter backlog: how many connections may wait in each; `net.core.somaxconn` caps it.
    package static func open(
        _ spec: ListenerSpec,
        slots: Int,
        backlog: Int32 = 4096
    ) throws(ListenerError) -> ListenerSet {
        precondition(slots > 0, "a listener set needs a slot")
        var attempt = Attempt(spec: spec, backlog: backlog)
        do throws(ListenerError) {
            return switch spec.address {
            case .tcp(let host, let port): try attempt.tcp(host: host, port: port, slots: slots)
            case .unix(let path): try attempt.unix(path: path, slots: slots)
            }
        } catch {
            attempt.abandon()
            throw error
        }
    }

    /// Closes the listeners and removes the file of a Unix socket, unless another has replaced it.
    ///
    /// For the process that opened them, once; workers have copies.
    package func close() {
        for descriptor in Set(descriptors) {
            apus_descriptor_close(descriptor)
        }
        guard case .unix(let path) = spec.address, let file else { return }
        var found = apus_file()
        if unsafe apus_file_look(path, &found) == 0, found.device == file.device,
            found.number == file.number
        {
            // A file that cannot be removed is stale from now on, and the next start copes with it.
            _ = unsafe apus_file_remove(path)
        }
    }
}

/// One try to open a set, and what it has opened so far.
private struct Attempt {
    let spec: ListenerSpec
    let backlog: Int32
    var descriptors: [Int32] = []

    mutating func tcp(
        host: String,
        port: UInt16,
        slots: Int
    ) throws(ListenerError) -> ListenerSet {
        var address = apus_address()
        try check("getaddrinfo", unsafe apus_address_resolve(&address, host, port))

        // The first one listens for itself alone before it lets others in: otherwise a second
        // server of the same user would share the port and nobody would notice.
        let first = try open(&address)
        try check("setsockopt", apus_socket_enable(first, APUS_SOCKET_NO_DELAY))
        try check("bind", unsafe apus_socket_bind(first, &address))
        try check("listen", apus_socket_listen(first, backlog))
        try check("setsockopt", apus_socket_enable(first, APUS_SOCKET_REUSE_PORT))
        try check("getsockname", unsafe apus_socket_address(first, &address))

        for _ in 1..<slots {
            let next = try open(&address)
            try check("setsockopt", apus_socket_enable(next, APUS_SOCKET_NO_DELAY))
            try check("setsockopt", apus_socket_enable(next, APUS_SOCKET_REUSE_PORT))
            try check("bind", unsafe apus_socket_bind(next, &address))
            try check("listen", apus_socket_listen(next, backlog))
        }
        return ListenerSet(
            spec: spec,
            address: unsafe text(byteCountMax: 64) { bytes, size in
                unsafe apus_address_text(&address, bytes, size)
            },
            port: unsafe apus_address_port(&address),
            descriptors: descriptors,
            file: nil
        )
    }

    mutating func unix(path: String, slots: Int) throws(ListenerError) -> ListenerSet {
        var address = apus_address()
        try check("bind", unsafe apus_address_unix(&address, path))
        let listener = try open(&address)
        var result = unsafe apus_socket_bind(listener, &address)
        if result == -EADDRINUSE {
            try removeStale(path, &address)
            result = unsafe apus_socket_bind(listener, &address)
        }
        try check("bind", result)
        try check("listen", apus_socket_listen(listener, backlog))
        var file = apus_file()
        try check("lstat", unsafe apus_file_look(path, &file))
        return ListenerSet(
            spec: spec,
            address: path,
            port: nil,
            descriptors: Array(repeating: listener, count: slots),
            file: file
        )
    }

    /// Removes the file of a server that is gone; throws where somebody listens, or it is no socket.
    private func removeStale(_ path: String, _ address: inout apus_address) throws(ListenerError) {
        var file = apus_file()
        try check("lstat", unsafe apus_file_look(path, &file))
        guard file.is_socket else {
            throw ListenerError(operation: "bind", errno: EEXIST, spec: spec)
        }
        let probe = try check("socket", unsafe apus_socket_open(&address))
        defer { apus_descriptor_close(probe) }
        guard unsafe apus_socket_connect(probe, &address) == -ECONNREFUSED else {
            throw ListenerError(operation: "bind", errno: EADDRINUSE, spec: spec)
        }
        try check("unlink", unsafe apus_file_remove(path))
    }

    private mutating func open(_ address: inout apus_address) throws(ListenerError) -> Int32 {
        let descriptor = try check("socket", unsafe apus_socket_open(&address))
        descriptors.append(descriptor)
        try check("setsockopt", apus_socket_enable(descriptor, APUS_SOCKET_REUSE_ADDRESS))
        return descriptor
    }

    func abandon() {
        for descriptor in descriptors {
            apus_descriptor_close(descriptor)
        }
    }

    @discardableResult
    private func check(_ operation: String, _ result: Int32) throws(ListenerError) -> Int32 {
        guard result >= 0 else {
            throw ListenerError(operation: operation, errno: -result, spec: spec)
        }
        return result
    }
}
