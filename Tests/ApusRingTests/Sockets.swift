// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusRing
import Glibc
import Testing

/// How long a test waits for what must come; only a failing one waits that long.
let patienceNanoseconds: UInt64 = 10_000_000_000

/// Two ends of a stream: `ours` belongs to the ring, `peer` is driven by plain system calls.
final class Stream {
    enum Family: CaseIterable { case unix, tcp }

    let ours: Int32
    let peer: Int32
    private var isOursOpen = true
    private var isPeerOpen = true

    init(_ family: Family = .unix) throws {
        switch family {
        case .unix:
            var ends: [Int32] = [-1, -1]
            let result = unsafe socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends)
            try #require(result == 0)
            (ours, peer) = (ends[0], ends[1])
        case .tcp:
            let listener = try Listener()
            peer = try listener.connect()
            ours = Glibc.accept(listener.descriptor, nil, nil)
            try #require(ours >= 0)
        }
        _ = fcntl(ours, F_SETFL, fcntl(ours, F_GETFL) | O_NONBLOCK)
        try setPatience(of: peer)
    }

    deinit {
        if isOursOpen {
            Glibc.close(ours)
        }
        if isPeerOpen {
            Glibc.close(peer)
        }
    }

    func closeOurs(by ring: borrowing Ring) {
        ring.close(ours)
        isOursOpen = false
    }

    func closePeer() {
        Glibc.close(peer)
        isPeerOpen = false
    }

    /// Lets our end hold little that the peer has not taken.
    func limitSendBuffer(byteCount: Int32) {
        var value = byteCount
        unsafe setsockopt(ours, SOL_SOCKET, SO_SNDBUF, &value, socklen_t(MemoryLayout<Int32>.size))
    }

    /// The peer sends; as much as fits.
    func peerSends(_ bytes: some Collection<UInt8>) -> Int {
        let bytes = Array(bytes)
        return unsafe Glibc.send(peer, bytes, bytes.count, Int32(MSG_DONTWAIT))
    }

    /// What lies ready for the peer.
    func peerReadsReady() -> [UInt8] {
        var all: [UInt8] = []
        while true {
            let piece = read(from: peer, countMax: 65536, flags: Int32(MSG_DONTWAIT))
            guard let piece, !piece.isEmpty else {
                return all
            }
            all += piece
        }
    }

    /// That many bytes, waited for; fewer at the end of the stream.
    func peerReads(_ count: Int) -> [UInt8] {
        var all: [UInt8] = []
        while all.count < count {
            guard let piece = read(from: peer, countMax: count - all.count), !piece.isEmpty else {
                return all
            }
            all += piece
        }
        return all
    }

    /// Whether the peer is at the end of the stream, waited for.
    func peerSeesEnd() -> Bool {
        read(from: peer, countMax: 1) == []
    }
}

/// Bytes of a descriptor; empty at the end of the stream, nil for an error.
func read(from socket: Int32, countMax: Int, flags: Int32 = 0) -> [UInt8]? {
    var result = 0
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: countMax) { buffer, count in
        repeat {
            result = unsafe recv(socket, buffer.baseAddress, countMax, flags)
            // Also what a ring leaves to its thread interrupts a system call with a time limit.
        } while result < 0 && errno == EINTR
        count = max(0, result)
    }
    return result < 0 ? nil : bytes
}

/// A plain socket that fails after a while where it would wait for good.
func setPatience(of socket: Int32) throws {
    var time = timeval(tv_sec: Int(patienceNanoseconds / 1_000_000_000), tv_usec: 0)
    let size = socklen_t(MemoryLayout<timeval>.size)
    try #require(unsafe setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &time, size) == 0)
}

/// A TCP listener on a free port of the loopback interface.
final class Listener {
    enum Address { case ip4, ip6, ip6Any }

    let descriptor: Int32
    private let port: in_port_t

    init(_ address: Address = .ip4, isNonBlocking: Bool = false, backlog: Int32 = 128) throws {
        let family = address == .ip4 ? AF_INET : AF_INET6
        let type = Int32(SOCK_STREAM.rawValue) | (isNonBlocking ? Int32(SOCK_NONBLOCK.rawValue) : 0)
        let made = socket(family, type, 0)
        descriptor = made
        try #require(descriptor >= 0)
        var place = Self.place(address, port: 0)
        let bound = unsafe withSocketAddress(&place) { unsafe Glibc.bind(made, $0, $1) }
        try #require(bound == 0)
        try #require(listen(descriptor, backlog) == 0)
        let named = unsafe withSocketAddress(&place) { pointer, size in
            var size = size
            return unsafe getsockname(made, pointer, &size)
        }
        try #require(named == 0)
        port = place.sin6_port
    }

    deinit {
        Glibc.close(descriptor)
    }

    /// Where it listens, as the kernel takes it.
    func withAddress<Result>(
        _ address: Address = .ip4,
        _ body: (UnsafeRawBufferPointer) throws -> Result
    ) rethrows -> Result {
        try unsafe withUnsafeBytes(of: Self.place(address, port: port)) { try unsafe body($0) }
    }

    /// A plain, connected socket.
    func connect(_ address: Address = .ip4) throws -> Int32 {
        let client = socket(address == .ip4 ? AF_INET : AF_INET6, Int32(SOCK_STREAM.rawValue), 0)
        var place = Self.place(address, port: port)
        let result = unsafe withSocketAddress(&place) { unsafe Glibc.connect(client, $0, $1) }
        try #require(result == 0)
        return client
    }

    // sockaddr_in and sockaddr_in6 agree in family and port, and this has room for both.
    private static func place(_ address: Address, port: in_port_t) -> sockaddr_in6 {
        var place = sockaddr_in6()
        place.sin6_family = sa_family_t(address == .ip4 ? AF_INET : AF_INET6)
        place.sin6_port = port
        switch address {
        case .ip4:
            // The address of sockaddr_in lies where the other one has its flow.
            place.sin6_flowinfo = INADDR_LOOPBACK.bigEndian
        case .ip6:
            place.sin6_addr = in6addr_loopback
        case .ip6Any:
            place.sin6_addr = in6addr_any
        }
        return place
    }
}

private func withSocketAddress(
    _ address: inout sockaddr_in6,
    _ body: (UnsafeMutablePointer<sockaddr>, socklen_t) -> Int32
) -> Int32 {
    unsafe withUnsafeMutablePointer(to: &address) { pointer in
        unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            unsafe body($0, socklen_t(MemoryLayout<sockaddr_in6>.size))
        }
    }
}

/// Bytes that differ at neighbouring offsets and do not repeat within 16 MiB.
func pattern(_ count: Int, from start: Int = 0) -> [UInt8] {
    (start..<start + count).map { index in
        UInt8(truncatingIfNeeded: (UInt32(truncatingIfNeeded: index) &* 2_654_435_761) >> 24)
    }
}
