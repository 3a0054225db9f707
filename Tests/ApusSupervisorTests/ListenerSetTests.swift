// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusSupervisor
import CApusSystem
import Glibc
import Testing

@Suite struct ListenerSetTests {
    static let anyPort = ListenerSpec(.tcp(host: "127.0.0.1", port: 0))

    /// A path that no other test and no other run has.
    static func freshPath() -> String {
        "/tmp/apus-test-\(getpid())-\(UInt64.random(in: 0 ... .max)).socket"
    }

    /// Connects, and leaves the connection in the listener's queue.
    private func connect(to set: ListenerSet) throws -> Int32 {
        var address = apus_address()
        if let port = set.port {
            try #require(unsafe apus_address_resolve(&address, "127.0.0.1", port) == 0)
        } else {
            try #require(unsafe apus_address_unix(&address, set.address) == 0)
        }
        let socket = unsafe apus_socket_open(&address)
        let result = unsafe apus_socket_connect(socket, &address)
        #expect(result == 0 || result == -EINPROGRESS)
        return socket
    }

    @Test func `port 0 gives every slot a listener on one port`() throws {
        let set = try ListenerSet.open(Self.anyPort, slots: 3)
        defer { set.close() }
        let port = try #require(set.port)
        #expect(port != 0)
        #expect(set.address == "127.0.0.1:\(port)")
        let descriptors = (0..<3).map(set.descriptor(forSlot:))
        #expect(Set(descriptors).count == 3)
        for descriptor in descriptors {
            var address = apus_address()
            #expect(unsafe apus_socket_address(descriptor, &address) == 0)
            #expect(unsafe apus_address_port(&address) == port)
            #expect(fcntl(descriptor, F_GETFD) == FD_CLOEXEC)
            #expect(fcntl(descriptor, F_GETFL) & O_NONBLOCK != 0)
        }
    }

    @Test func `connections are spread over all slots without delay of small packets`() throws {
        let set = try ListenerSet.open(Self.anyPort, slots: 3)
        defer { set.close() }
        let clients = try (0..<150).map { _ in try connect(to: set) }
        defer { clients.forEach(apus_descriptor_close) }
        var entries = (0..<3).map { apus_poll_readable(set.descriptor(forSlot: $0)) }
        // That all 150 miss one slot happens once in 10^26 runs.
        while entries.contains(where: { $0.found == 0 }) {
            try #require(unsafe apus_poll(&entries, entries.count, 5_000_000_000) > 0)
        }
        for slot in 0..<3 {
            let accepted = accept(set.descriptor(forSlot: slot), nil, nil)
            #expect(accepted >= 0)
            defer { apus_descriptor_close(accepted) }
            var value: Int32 = 0
            var size = socklen_t(MemoryLayout<Int32>.size)
            unsafe getsockopt(accepted, Int32(IPPROTO_TCP), TCP_NODELAY, &value, &size)
            #expect(value == 1)
        }
    }

    @Test(arguments: [1, 3])
    func `second set on the same port is refused in one sentence`(slots: Int) throws {
        let set = try ListenerSet.open(Self.anyPort, slots: slots)
        defer { set.close() }
        let port = try #require(set.port)
        let spec = ListenerSpec(.tcp(host: "127.0.0.1", port: port))
        let error = try #require(throws: ListenerError.self) {
            try ListenerSet.open(spec, slots: slots)
        }
        #expect(error.errno == EADDRINUSE)
        #expect(error.operation == "bind")
        #expect(
            error.description == "cannot listen on 127.0.0.1:\(port): the address is in use; "
                + "stop the other server or choose another --port"
        )
    }

    @Test func `port is free again after close`() throws {
        let set = try ListenerSet.open(Self.anyPort, slots: 2)
        let client = try connect(to: set)
        defer { apus_descriptor_close(client) }
        let port = try #require(set.port)
        set.close()
        let spec = ListenerSpec(.tcp(host: "127.0.0.1", port: port))
        try ListenerSet.open(spec, slots: 2).close()
    }

    @Test func `localhost is the IPv4 loopback`() throws {
        let set = try ListenerSet.open(ListenerSpec(.tcp(host: "localhost", port: 0)), slots: 1)
        defer { set.close() }
        #expect(set.address.hasPrefix("127.0.0.1:"))
    }

    @Test func `IPv6 address is written in brackets`() throws {
        let spec = ListenerSpec(.tcp(host: "::1", port: 0))
        do {
            let set = try ListenerSet.open(spec, slots: 2)
            defer { set.close() }
            #expect(set.address == "[::1]:\(try #require(set.port))")
        } catch let error as ListenerError {
            // A machine without IPv6 says so.
            #expect([EAFNOSUPPORT, EADDRNOTAVAIL].contains(error.errno))
            #expect(error.description.hasPrefix("cannot listen on [::1]:0: this machine "))
        }
    }

    @Test(arguments: [
        ("192.0.2.1", EADDRNOTAVAIL, "this machine has no such address; choose another --host"),
        ("", ENOENT, "the name has no address; correct --host or give a literal address"),
    ])
    func `impossible host is named with its cure`(
        host: String,
        errno: Int32,
        text: String
    ) throws {
        let error = try #require(throws: ListenerError.self) {
            try ListenerSet.open(ListenerSpec(.tcp(host: host, port: 0)), slots: 1)
        }
        #expect(error.errno == errno)
        #expect(error.description == "cannot listen on \(host):0: \(text)")
    }

    @Test func `Unix socket is shared by the slots and removed at the end`() throws {
        let path = Self.freshPath()
        let set = try ListenerSet.open(ListenerSpec(.unix(path: path)), slots: 3)
        #expect(set.port == nil)
        #expect(set.address == path)
        #expect(Set((0..<3).map(set.descriptor(forSlot:))).count == 1)
        apus_descriptor_close(try connect(to: set))
        set.close()
        var file = apus_file()
        #expect(unsafe apus_file_look(path, &file) == -ENOENT)
    }

    @Test func `stale Unix socket is replaced`() throws {
        let path = Self.freshPath()
        var address = apus_address()
        try #require(unsafe apus_address_unix(&address, path) == 0)
        let stale = unsafe apus_socket_open(&address)
        try #require(unsafe apus_socket_bind(stale, &address) == 0)
        apus_descriptor_close(stale)
        let set = try ListenerSet.open(ListenerSpec(.unix(path: path)), slots: 1)
        defer { set.close() }
        apus_descriptor_close(try connect(to: set))
    }

    @Test func `live Unix socket is left alone`() throws {
        let path = Self.freshPath()
        let set = try ListenerSet.open(ListenerSpec(.unix(path: path)), slots: 1)
        defer { set.close() }
        let error = try #require(throws: ListenerError.self) {
            try ListenerSet.open(ListenerSpec(.unix(path: path)), slots: 1)
        }
        #expect(error.errno == EADDRINUSE)
        #expect(error.description.contains("choose another --unix path"))
        apus_descriptor_close(try connect(to: set))
    }

    @Test func `file of a successor survives the close of its predecessor`() throws {
        let path = Self.freshPath()
        let old = try ListenerSet.open(ListenerSpec(.unix(path: path)), slots: 1)
        // Kept under another name, so that its number is not given to the new file.
        let kept = Self.freshPath()
        try #require(unsafe rename(path, kept) == 0)
        defer { _ = unsafe apus_file_remove(kept) }
        let new = try ListenerSet.open(ListenerSpec(.unix(path: path)), slots: 1)
        defer { new.close() }
        old.close()
        apus_descriptor_close(try connect(to: new))
    }

    @Test func `file that is no socket is never removed`() throws {
        let path = Self.freshPath()
        let descriptor = unsafe creat(path, 0o600)
        try #require(descriptor >= 0)
        apus_descriptor_close(descriptor)
        defer { _ = unsafe apus_file_remove(path) }
        let error = try #require(throws: ListenerError.self) {
            try ListenerSet.open(ListenerSpec(.unix(path: path)), slots: 1)
        }
        #expect(error.errno == EEXIST)
        var file = apus_file()
        #expect(unsafe apus_file_look(path, &file) == 0)
    }

    @Test(arguments: [
        (
            "/nonexistent/apus.socket", ENOENT,
            "the directory does not exist; create it or choose another --unix path"
        ),
        ("", ENOENT, "the path is empty; give a --unix path"),
        (
            String(repeating: "x", count: 108), ENAMETOOLONG,
            "the path is over 107 bytes long; choose a shorter --unix path"
        ),
    ])
    func `impossible path is named with its cure`(
        path: String,
        errno: Int32,
        text: String
    ) throws {
        let error = try #require(throws: ListenerError.self) {
            try ListenerSet.open(ListenerSpec(.unix(path: path)), slots: 1)
        }
        #expect(error.errno == errno)
        #expect(error.description == "cannot listen on unix:\(path): \(text)")
    }
}
