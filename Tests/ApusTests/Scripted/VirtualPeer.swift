// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusRing
import ApusTestSupport
import Glibc

/// A frame that the server sent.
struct ServerFrame: Equatable {
    var opcode: UInt8
    var payload: [UInt8]
    var isFinal = true
    var reservedBits: UInt8 = 0

    var closeCode: Int? {
        guard opcode == 8, payload.count >= 2 else { return nil }
        return Int(payload[0]) << 8 | Int(payload[1])
    }
}

/// A client at the other end of a virtual socket, well behaved unless told otherwise.
final class VirtualPeer: VirtualEnd {
    private let ring: ScriptedRing
    let socket: VirtualSocket
    let address: String

    // How it behaves.
    var isReading = true {
        didSet { if isReading, !oldValue { ring.after(0) {} } }
    }
    var answersClose = true
    var answersPings = true
    var endsAfterEnd = true
    /// Those that what was negotiated allows.
    var reservedBitsAllowed: UInt8 = 0
    var onFrame: (ServerFrame) -> Void = { _ in }
    var onOpen: () -> Void = {}

    // What it saw.
    private(set) var head: String?
    private(set) var body: [UInt8] = []
    private(set) var frames: [ServerFrame] = []
    private(set) var byteCount = 0
    private(set) var sawEnd = false
    private(set) var sawReset = false
    private(set) var complaint: String?
    private(set) var hasSentClose = false
    /// When it saw the server's FIN or reset.
    private(set) var endTime: UInt64?

    private var input: [UInt8] = []

    /// What it speaks TLS with; nil: it does not.
    var tls: VirtualTLS? {
        didSet { if let tls { writeRaw(tls.takeOutput()) } }
    }

    init(ring: ScriptedRing, listener: Int32, address: String) {
        self.ring = ring
        self.address = address
        socket = VirtualSocket()
        socket.peer = self
        ring.backlog[listener, default: []].append(socket)
    }

    var status: Int? { head.flatMap { Int($0.split(separator: " ")[1]) } }
    var isOpen: Bool { status == 101 }
    var messages: [[UInt8]] { frames.filter { $0.opcode <= 2 }.map(\.payload) }
    var closeCode: Int? { frames.first { $0.opcode == 8 }?.closeCode }
    var isOver: Bool { sawEnd || sawReset }
    /// The bytes that came behind the last whole frame.
    var unfinishedByteCount: Int { input.count }

    // MARK: Writing

    func write(_ bytes: some Sequence<UInt8>) {
        guard let tls else {
            writeRaw(bytes)
            return
        }
        tls.send(Array(bytes))
        writeRaw(tls.takeOutput())
    }

    /// Past its TLS, if it has any.
    func writeRaw(_ bytes: some Sequence<UInt8>) {
        guard !socket.peerHasEnded, socket.brokenBy == nil, !socket.isClosed else { return }
        socket.inbound.append(bytes)
        ring.after(0) {}
    }

    func requestUpgrade(target: String = "/chat", fields: String = "") {
        write(
            """
            GET \(target) HTTP/1.1\r
            Host: test\r
            Upgrade: websocket\r
            Connection: Upgrade\r
            Sec-WebSocket-Version: 13\r
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r
            \(fields)\r

            """.utf8
        )
    }

    func send(_ opcode: UInt8, _ payload: [UInt8], isFinal: Bool = true) {
        if opcode == 8 { hasSentClose = true }
        let wire = WireBytes(to: .server)
        write(wire.frame(Opcode(rawValue: opcode), payload, isFinal: isFinal))
    }

    func sendText(_ text: String) {
        send(1, Array(text.utf8))
    }

    func sendClose(_ code: UInt16 = 1000) {
        send(8, [UInt8(code >> 8), UInt8(code & 255)])
    }

    /// Its FIN.
    func end() {
        guard socket.brokenBy == nil else { return }
        socket.peerHasEnded = true
        ring.after(0) {}
    }

    /// Its RST: what lies in both queues is lost.
    func reset() {
        guard !socket.isClosed, socket.brokenBy == nil else { return }
        socket.brokenBy = ECONNRESET
        socket.inbound.removeAll()
        socket.outbound.removeAll()
        ring.after(0) {}
    }

    // MARK: Reading

    /// Reads so many bytes of those that wait.
    func readSome(_ count: Int) {
        let count = min(count, socket.outbound.count)
        if count > 0 { read(socket.outbound.removeFirst(count)) }
        ring.after(0) {}
    }

    func read(_ bytes: ArraySlice<UInt8>) {
        byteCount += bytes.count
        if let tls {
            input += tls.receive(bytes)
            writeRaw(tls.takeOutput())
        } else {
            input += bytes
        }
        if head == nil { readHead() }
        guard let status else { return }
        guard status == 101 else {
            body += input
            input = []
            return
        }
        var position = 0
        while let (frame, length) = nextFrame(from: position) {
            position += length
            frames.append(frame)
            react(to: frame)
        }
        if position > 0 { input.removeFirst(position) }
    }

    /// Takes a whole response off what came, and goes on to read the next one; nil without one.
    ///
    /// Its body is as long as it says, but that of an answer to HEAD.
    func takeResponse(toHead: Bool = false) -> (head: String, body: String)? {
        guard let head, !isOpen else { return nil }
        let length = head.split(separator: "\r\n").first { $0.hasPrefix("Content-Length: ") }
            .flatMap { Int($0.dropFirst(16)) }
        let count = toHead ? 0 : length ?? 0
        guard body.count >= count else { return nil }
        let response = (head, String(decoding: body[..<count], as: UTF8.self))
        let rest = body[count...]
        self.head = nil
        body = []
        byteCount -= rest.count
        read(rest)
        return response
    }

    private func readHead() {
        guard input.count >= 4 else { return }
        for index in 3..<input.count where input[index] == 10 {
            guard input[(index - 3)...index].elementsEqual([13, 10, 13, 10]) else { continue }
            head = String(decoding: input[...index], as: UTF8.self)
            input.removeFirst(index + 1)
            if isOpen { onOpen() }
            return
        }
    }

    /// Written anew, so that the codec does not judge itself.
    private func nextFrame(from start: Int) -> (ServerFrame, Int)? {
        guard input.count >= start + 2 else { return nil }
        if input[start] & 0x70 & ~reservedBitsAllowed != 0 || input[start + 1] & 0x80 != 0 {
            complaint = complaint ?? "a frame begins \(input[start]) \(input[start + 1])"
            return nil
        }
        var length = Int(input[start + 1])
        var position = start + 2
        let lengthByteCount = length == 127 ? 8 : length == 126 ? 2 : 0
        if lengthByteCount > 0 {
            guard input.count >= position + lengthByteCount else { return nil }
            length = input[position..<position + lengthByteCount].reduce(0) { $0 << 8 | Int($1) }
            position += lengthByteCount
        }
        guard input.count - position >= length else { return nil }
        let frame = ServerFrame(
            opcode: input[start] & 15,
            payload: Array(input[position..<position + length]),
            isFinal: input[start] & 0x80 != 0,
            reservedBits: input[start] & 0x70
        )
        return (frame, position + length - start)
    }

    private func react(to frame: ServerFrame) {
        if frame.opcode == 8, answersClose, !hasSentClose { send(8, frame.payload) }
        if frame.opcode == 9, answersPings {
            // No pong comes in the nanosecond of its ping.
            ring.after(1_000_000) { [weak self] in self?.send(10, frame.payload) }
        }
        onFrame(frame)
    }

    func readEnd() {
        guard !sawEnd else { return }
        sawEnd = true
        endTime = endTime ?? ring.now
        if endsAfterEnd { end() }
    }

    func wasReset() {
        sawReset = true
        endTime = endTime ?? ring.now
    }
}
