// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusCodec
import ApusProtocol
import ApusRing
import ApusTestSupport
import Glibc
import Logging
import Testing

/// The real driver on a real io_uring, with peers at the other end of TCP, all on one thread.
@WorkerActor
final class LiveWorld {
    let server: WebSocketServer
    let driver: ConnectionDriver<Ring>
    private let listener: Int32
    private(set) var peers: [LivePeer] = []

    init(configure: (inout ServerConfiguration) -> Void = { _ in }) throws {
        var configuration = ServerConfiguration()
        configure(&configuration)
        let http = HTTPServer(port: 0)
        listener = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        try #require(Glibc.listen(listener, 16) == 0)
        server = WebSocketServer(httpServer: http, configuration: configuration)
        driver = ConnectionDriver(
            ring: try Ring(),
            configuration: configuration,
            listeners: [WorkerListener(descriptor: listener, httpServer: http)],
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            now: Self.now()
        )
    }

    private static func now() -> Instant {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Instant(nanoseconds: UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec))
    }

    /// A peer with an open connection; `receiveBuffer` bounds what the kernel keeps for it.
    func open(receiveBuffer: Int32? = nil) throws -> LivePeer {
        let peer = try LivePeer(of: listener, receiveBuffer: receiveBuffer)
        peers.append(peer)
        peer.requestUpgrade()
        try run { peer.isOpen }
        return peer
    }

    /// Turns until the condition holds; only a failing test waits for long.
    func run(
        sourceLocation: SourceLocation = #_sourceLocation,
        until condition: () -> Bool
    ) throws {
        let end = Self.now().advanced(by: .seconds(20))
        while !condition() {
            try #require(Self.now() < end, "not in 20 seconds", sourceLocation: sourceLocation)
            try turn()
        }
    }

    /// One turn, and what each peer reads behind it.
    func turn() throws {
        driver.prepareWait()
        // The peers are on this thread too, so nothing waits for long.
        let count = try driver.ring.wait(nanosecondsMax: 1_000_000)
        driver.now = Self.now()
        driver.settleSends(count)
        for index in 0..<count { driver.complete(driver.ring.completion(at: index)) }
        driver.fireTimers(after: count)
        for peer in peers { peer.readReady() }
    }

    func drain() throws {
        driver.beginDrain()
        try run { driver.isDrained }
        let gauges = driver.report().prefix(6).filter { $0.value != 0 }
        #expect(gauges.isEmpty, "\(gauges)")
    }
}

/// A client on a plain socket that reads when it is told to, or after every turn.
final class LivePeer {
    private let socket: Int32
    private var input: [UInt8] = []

    /// Whether it reads after every turn.
    var isReading = true
    private(set) var isOpen = false
    private(set) var frames: [ServerFrame] = []
    private(set) var sawEnd = false

    init(of listener: Int32, receiveBuffer: Int32?) throws {
        socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        if var size = receiveBuffer {
            let length = socklen_t(MemoryLayout<Int32>.size)
            unsafe setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &size, length)
        }
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let socket = socket
        let result = unsafe withUnsafeMutablePointer(to: &address) { address in
            unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                guard unsafe getsockname(listener, address, &length) == 0 else { return Int32(-1) }
                return unsafe Glibc.connect(socket, address, length)
            }
        }
        try #require(result == 0)
    }

    deinit { Glibc.close(socket) }

    var messages: [[UInt8]] { frames.filter { $0.opcode <= 2 }.map(\.payload) }
    var closeCode: Int? { frames.first { $0.opcode == 8 }?.closeCode }
    /// The bytes behind the last whole frame.
    var unfinishedByteCount: Int { input.count }

    func requestUpgrade() {
        write(
            Array(
                """
                GET / HTTP/1.1\r
                Host: test\r
                Upgrade: websocket\r
                Connection: Upgrade\r
                Sec-WebSocket-Version: 13\r
                Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r
                \r

                """.utf8
            )
        )
    }

    /// How many of the bytes the kernel took.
    @discardableResult
    func write(_ bytes: [UInt8]) -> Int {
        max(0, unsafe Glibc.send(socket, bytes, bytes.count, Int32(MSG_DONTWAIT)))
    }

    func send(_ opcode: UInt8, _ payload: [UInt8], isFinal: Bool = true) {
        let wire = WireBytes(to: .server)
        let bytes = Array(wire.frame(Opcode(rawValue: opcode), payload, isFinal: isFinal))
        let count = write(bytes)
        #expect(count == bytes.count)
    }

    /// Takes what lies ready, if it reads.
    func readReady() {
        guard isReading else { return }
        while true {
            let piece = unsafe [UInt8](unsafeUninitializedCapacity: 65536) { buffer, count in
                let flags = Int32(MSG_DONTWAIT)
                let result = unsafe recv(socket, buffer.baseAddress, 65536, flags)
                if result == 0 { sawEnd = true }
                count = max(0, result)
            }
            guard !piece.isEmpty else { return takeFrames() }
            input += piece
        }
    }

    private func takeFrames() {
        if !isOpen {
            guard let end = endOfHead else { return }
            isOpen = String(decoding: input[..<12], as: UTF8.self) == "HTTP/1.1 101"
            input.removeFirst(end)
        }
        var start = 0
        while case .header(let header) = FrameHeader.decode(input.span, from: start, as: .client) {
            let payload = start + header.headerByteCount
            let end = payload + Int(header.payloadByteCount)
            guard end <= input.count else { break }
            frames.append(
                ServerFrame(
                    opcode: header.opcode.rawValue,
                    payload: Array(input[payload..<end]),
                    isFinal: header.isFinal
                )
            )
            start = end
            if header.opcode == .close { send(8, frames[frames.count - 1].payload) }
            if header.opcode == .ping { send(10, frames[frames.count - 1].payload) }
        }
        input.removeFirst(start)
    }

    private var endOfHead: Int? {
        guard input.count >= 4 else { return nil }
        return (4...input.count).first { input[($0 - 4)..<$0].elementsEqual([13, 10, 13, 10]) }
    }
}
