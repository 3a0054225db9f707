// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusRing
import Glibc
import Testing

@Suite final class Connects {
    private let ring: Ring

    init() throws {
        ring = try Ring(configuration: BufferMode.plain.tiny())
    }

    /// Connects, and waits for the outcome; the address changes as soon as a wait has returned.
    private func connect(_ address: [UInt8]) throws -> (socket: Int32, result: Int32) {
        var address = address
        let (socket, first) = try unsafe address.withUnsafeMutableBytes { address in
            let bytes = UnsafeRawBufferPointer(address)
            let socket = unsafe ring.socket(for: bytes)
            try #require(socket >= 0)
            unsafe ring.connect(socket, to: bytes, tag: .tag(.connect))
            let first = try ring.ready()
            unsafe address.initializeMemory(as: UInt8.self, repeating: 0)
            return (socket, first)
        }
        let outcome = try #require(try first.map { Outcome($0) }.first ?? ring.outcomes(1).first)
        #expect(outcome == Outcome(.connect, result: outcome.result))
        return (socket, outcome.result)
    }

    private func unixAddress(_ path: String) -> [UInt8] {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) {
            unsafe $0.copyBytes(from: path.utf8)
        }
        return unsafe withUnsafeBytes(of: &address) { unsafe Array($0) }
    }

    @Test(arguments: [
        (Listener.Address.ip4, "127.0.0.1"), (.ip6, "::1"),
    ])
    func `connect opens a TCP connection that bytes go over`(
        address: Listener.Address,
        text: String
    ) throws {
        let listener = try Listener(address)
        let place = unsafe listener.withAddress(address) { unsafe Array($0) }
        let (client, result) = try connect(place)
        defer { ring.close(client) }
        #expect(result == 0)
        #expect(ring.remoteAddress(of: client) == text)
        #expect(fcntl(client, F_GETFL) & O_NONBLOCK != 0)
        #expect(fcntl(client, F_GETFD) & FD_CLOEXEC != 0)
        var isNoDelay: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        #expect(unsafe getsockopt(client, Int32(IPPROTO_TCP), TCP_NODELAY, &isNoDelay, &size) == 0)
        #expect(isNoDelay != 0)

        let server = accept(listener.descriptor, nil, nil)
        defer { close(server) }
        try setPatience(of: server)
        #expect(try ring.sendInTurn(pattern(100), on: client) == nil)
        #expect(read(from: server, countMax: 200) == pattern(100))
    }

    @Test func `connect reaches a Unix socket`() throws {
        var template = Array("/tmp/apus-ring-XXXXXX".utf8CString)
        try #require(unsafe mkdtemp(&template) != nil)
        let folder = String(decoding: template.dropLast().map { UInt8($0) }, as: UTF8.self)
        let path = folder + "/socket"
        defer {
            unsafe unlink(path)
            unsafe rmdir(folder)
        }
        let address = unixAddress(path)
        let (lost, result) = try connect(address)
        #expect(result == -ENOENT)
        ring.close(lost)

        let listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(listener) }
        let bound = unsafe address.withUnsafeBytes { bytes in
            unsafe bytes.withMemoryRebound(to: sockaddr.self) {
                unsafe bind(listener, $0.baseAddress, socklen_t(address.count))
            }
        }
        try #require(bound == 0 && listen(listener, 1) == 0)
        let (client, success) = try connect(address)
        #expect(success == 0)
        #expect(ring.remoteAddress(of: client).isEmpty)
        ring.close(client)
    }

    @Test func `connect to a port where nobody listens is refused`() throws {
        let place: [UInt8]
        do {
            // Its port is free again when it is gone, and is not given out at once.
            place = try unsafe Listener().withAddress { unsafe Array($0) }
        }
        let (client, result) = try connect(place)
        #expect(result == -ECONNREFUSED)
        ring.close(client)
    }

    @Test func `connect that takes too long can be canceled`() throws {
        // A full queue takes no further connection, and TCP tries again only after a second.
        let listener = try Listener(backlog: 0)
        let place = unsafe listener.withAddress { unsafe Array($0) }
        let count = 8
        let sockets = try unsafe place.withUnsafeBytes { place in
            let sockets = (0..<count).map { _ in unsafe ring.socket(for: place) }
            try #require(sockets.allSatisfy { $0 >= 0 })
            for (slot, socket) in sockets.enumerated() {
                unsafe ring.connect(socket, to: place, tag: .tag(.connect, slot: UInt32(slot)))
            }
            for slot in 0..<UInt32(count) {
                ring.cancel(.tag(.connect, slot: slot), tag: .tag(.cancel, slot: slot))
            }
            return sockets
        }
        let outcomes = try ring.outcomes(2 * count)
        #expect(outcomes.count == 2 * count)
        let connects = outcomes.filter { $0.kind == .connect }
        #expect(Set(connects.map(\.slot)).count == count)
        #expect(connects.allSatisfy { $0.result == 0 || $0.result == -ECANCELED })
        #expect(connects.contains { $0.result == -ECANCELED })
        for cancel in outcomes where cancel.kind == .cancel {
            let isTooLate = cancel.result == -ENOENT || cancel.result == -EALREADY
            let connect = try #require(connects.first { $0.slot == cancel.slot })
            #expect(isTooLate == (connect.result == 0), "slot \(cancel.slot)")
        }
        for socket in sockets { ring.close(socket) }
        #expect(try ring.ready().isEmpty)
    }

    @Test func `family that the kernel does not know gets no socket`() {
        let address: [UInt8] = [255, 255, 0, 0]
        let socket = unsafe address.withUnsafeBytes { unsafe ring.socket(for: $0) }
        #expect(socket == -EAFNOSUPPORT)
    }
}
