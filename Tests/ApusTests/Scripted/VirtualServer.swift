// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusRing
import Glibc

/// A server at the other end of a virtual socket that we connect, well behaved unless told otherwise.
final class VirtualServer: VirtualEnd {
    private let ring: ScriptedRing
    let socket: VirtualSocket
    let address: String
    let port: UInt16

    // How it behaves.
    var isReading = true
    var answersRequest = true
    var answersClose = true
    var endsAfterClose = true
    var endsAfterEnd = true
    var echoes = false
    /// What it answers to an offer of extensions.
    var extensions: String?
    /// What it says to the request, in place of accepting it.
    var response: [UInt8]?
    /// What it says to CONNECT; then it is the server behind the proxy.
    var tunnelResponse: [UInt8]?
    /// What it sends in one piece with its 101.
    var greeting: [UInt8] = []

    // What it saw.
    private(set) var tunnelRequest: String?
    private(set) var request: String?
    private(set) var frames: [ServerFrame] = []
    /// The masking keys of those frames.
    private(set) var keys: [[UInt8]] = []
    private(set) var complaint: String?
    private(set) var sawEnd = false
    private(set) var sawReset = false
    private(set) var hasSentClose = false

    private var input: [UInt8] = []

    /// What it speaks TLS with, behind the tunnel if there is one; nil: it does not.
    var tls: VirtualTLS?
    private var isTunneling: Bool { tunnelResponse != nil && tunnelRequest == nil }

    init(ring: ScriptedRing, socket: VirtualSocket, address: [UInt8]) {
        self.ring = ring
        self.socket = socket
        port = UInt16(address[2]) << 8 | UInt16(address[3])
        self.address = address[4..<8].map { "\($0)" }.joined(separator: ".")
        socket.peer = self
    }

    var messages: [[UInt8]] { frames.filter { $0.opcode <= 2 }.map(\.payload) }
    var closeCode: Int? { frames.first { $0.opcode == 8 }?.closeCode }
    var isOver: Bool { sawEnd || sawReset }

    func field(_ name: String) -> String? {
        let lines = request.map { $0.split(separator: "\r\n") } ?? []
        return lines.first { $0.hasPrefix(name + ": ") }.map {
            String($0.dropFirst(name.count + 2))
        }
    }

    // MARK: Writing

    func write(_ bytes: some Sequence<UInt8>) {
        guard let tls, !isTunneling else {
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

    func accept() {
        let key = Array((field("Sec-WebSocket-Key") ?? "").utf8)
        let first = field("Sec-WebSocket-Protocol")?.split(separator: ",").first
        let selection = first.map { "Sec-WebSocket-Protocol: \($0)\r\n" } ?? ""
        let head = """
            HTTP/1.1 101 Switching Protocols\r
            Upgrade: websocket\r
            Connection: Upgrade\r
            Sec-WebSocket-Accept: \(AcceptKey.accept(for: key.span))\r
            \(selection)\(extensions.map { "Sec-WebSocket-Extensions: \($0)\r\n" } ?? "")\r

            """
        write(Array(head.utf8) + greeting)
    }

    func send(_ opcode: UInt8, _ payload: [UInt8], isFinal: Bool = true) {
        if opcode == 8 { hasSentClose = true }
        write(Self.frame(opcode, payload, isFinal: isFinal))
    }

    /// Without a mask, written anew, so that the codec does not judge itself.
    static func frame(_ opcode: UInt8, _ payload: [UInt8], isFinal: Bool = true) -> [UInt8] {
        var bytes: [UInt8] = [(isFinal ? 0x80 : 0) | opcode]
        switch payload.count {
        case 0..<126: bytes.append(UInt8(payload.count))
        case 126..<65536: bytes += [126, UInt8(payload.count >> 8), UInt8(payload.count & 255)]
        default:
            bytes.append(127)
            bytes += (0..<8).map { UInt8(truncatingIfNeeded: payload.count >> (56 - 8 * $0)) }
        }
        return bytes + payload
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

    func read(_ bytes: ArraySlice<UInt8>) {
        if let tls, !isTunneling {
            input += tls.receive(bytes)
            writeRaw(tls.takeOutput())
        } else {
            input += bytes
        }
        if request == nil { readRequest() }
        guard request != nil, response == nil else { return }
        var position = 0
        while let (frame, length) = nextFrame(from: position) {
            position += length
            frames.append(frame)
            react(to: frame)
        }
        if position > 0 { input.removeFirst(position) }
    }

    private func readRequest() {
        guard input.count >= 4 else { return }
        for index in 3..<input.count where input[(index - 3)...index] == [13, 10, 13, 10] {
            let head = String(decoding: input[...index], as: UTF8.self)
            input.removeFirst(index + 1)
            if let tunnelResponse, tunnelRequest == nil, head.hasPrefix("CONNECT ") {
                writeRaw(tunnelResponse)
                tunnelRequest = head
                return
            }
            request = head
            if let response {
                write(response)
            } else if answersRequest {
                accept()
            }
            return
        }
    }

    private func nextFrame(from start: Int) -> (ServerFrame, Int)? {
        guard input.count >= start + 2 else { return nil }
        if input[start] & 0x70 & ~(extensions == nil ? 0 : 0x40) != 0
            || input[start + 1] & 0x80 == 0
        {
            complaint = complaint ?? "a frame begins \(input[start]) \(input[start + 1])"
            return nil
        }
        var length = Int(input[start + 1] & 0x7F)
        var position = start + 2
        let lengthByteCount = length == 127 ? 8 : length == 126 ? 2 : 0
        guard input.count >= position + lengthByteCount + 4 else { return nil }
        if lengthByteCount > 0 {
            length = input[position..<position + lengthByteCount].reduce(0) { $0 << 8 | Int($1) }
            position += lengthByteCount
        }
        let key = Array(input[position..<position + 4])
        position += 4
        guard input.count - position >= length else { return nil }
        let frame = ServerFrame(
            opcode: input[start] & 15,
            payload: input[position..<position + length].enumerated().map { $1 ^ key[$0 % 4] },
            isFinal: input[start] & 0x80 != 0,
            reservedBits: input[start] & 0x70
        )
        keys.append(key)
        return (frame, position + length - start)
    }

    private func react(to frame: ServerFrame) {
        if frame.opcode == 8 {
            if answersClose, !hasSentClose { send(8, frame.payload) }
            if endsAfterClose { end() }
        }
        if frame.opcode <= 2, echoes { send(frame.opcode, frame.payload) }
        if frame.opcode == 9 { send(10, frame.payload) }
    }

    func readEnd() {
        guard !sawEnd else { return }
        sawEnd = true
        if endsAfterEnd { end() }
    }

    func wasReset() {
        sawReset = true
    }
}
