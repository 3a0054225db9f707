// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusCodec
import ApusDeflate
import ApusTestSupport
import Testing

/// A client that speaks permessage-deflate, at the other end of a virtual socket.
///
/// It keeps strictly to what was agreed: windows no larger, and of a message without context
/// takeover nothing is remembered.
final class DeflatingPeer {
    let peer: VirtualPeer
    private var deflater = Deflater(.init(windowBits: 15, memoryLevel: 8, level: 6))
    private let inflater = Inflater()
    private var window = InflationWindow(bits: 15)
    private var serverTakesOver = false
    private var clientTakesOver = false

    /// What the server sent, inflated where it was compressed.
    private(set) var messages: [[UInt8]] = []
    /// The sizes of its compressed messages on the wire.
    private(set) var compressedByteCounts: [Int] = []
    private(set) var plainCount = 0
    private var wire: (isCompressed: Bool, bytes: [UInt8])?

    /// One that waits to be accepted.
    @WorkerActor
    init(connectingTo world: World, offer: String) {
        peer = world.connect()
        peer.reservedBitsAllowed = 0x40
        peer.onOpen = { [unowned self] in begin() }
        peer.onFrame = { [unowned self] in take($0) }
        peer.requestUpgrade(fields: "Sec-WebSocket-Extensions: \(offer)\r\n")
    }

    /// One with an open connection.
    @WorkerActor
    convenience init(
        _ world: World,
        offer: String = "permessage-deflate; client_max_window_bits"
    ) throws {
        self.init(connectingTo: world, offer: offer)
        try world.run { peer.isOpen }
        try #require(peer.head?.contains("Sec-WebSocket-Extensions: permessage-deflate") == true)
    }

    /// Keeps to what was agreed.
    private func begin() {
        let answer =
            peer.head?.split(separator: "\r\n").first { $0.hasPrefix("Sec-WebSocket-Extensions") }
            ?? ""
        func bits(_ name: String) -> Int {
            let parameter = answer.split(separator: "; ").first { $0.hasPrefix(name + "=") }
            return parameter.flatMap { Int($0.dropFirst(name.count + 1)) } ?? 15
        }
        serverTakesOver = !answer.contains("server_no_context_takeover")
        clientTakesOver = !answer.contains("client_no_context_takeover")
        window = InflationWindow(bits: bits("server_max_window_bits"))
        deflater = Deflater(
            .init(windowBits: max(9, bits("client_max_window_bits")), memoryLevel: 8, level: 6)
        )
    }

    /// The bytes of a message as they are sent; what was sent before may be referred to.
    func compressed(_ message: [UInt8]) -> [UInt8] {
        if !clientTakesOver { deflater.reset() }
        guard !message.isEmpty else { return [0] }
        var output = [UInt8](repeating: 0, count: Deflater.byteCountMax(for: message.count))
        let count = unsafe message.withUnsafeBytes { message in
            unsafe output.withUnsafeMutableBytes { unsafe deflater.compress(message, into: $0) }
        }
        return Array(output[..<((count ?? 0) - 4)])
    }

    func send(_ opcode: UInt8, _ message: [UInt8], fragments: Int = 1) {
        write(opcode, compressed(message), fragments: fragments)
    }

    /// Compressed data in so many frames.
    func write(_ opcode: UInt8, _ data: [UInt8], fragments: Int = 1) {
        peer.write(Self.frames(opcode, data, fragments: fragments))
    }

    static func frames(_ opcode: UInt8, _ data: [UInt8], fragments: Int = 1) -> [UInt8] {
        let step = max(1, (data.count + fragments - 1) / fragments)
        let starts = Array(stride(from: 0, to: max(1, data.count), by: step))
        return starts.flatMap { start in
            var frame = WireBytes(to: .server).frame(
                start == 0 ? Opcode(rawValue: opcode) : .continuation,
                Array(data[start..<min(data.count, start + step)]),
                isFinal: start == starts.last
            )
            if start == 0 { frame[0] |= 0x40 }
            return frame
        }
    }

    private func take(_ frame: ServerFrame) {
        guard frame.opcode <= 2 else { return }
        if frame.opcode != 0 { wire = (frame.reservedBits == 0x40, []) }
        wire?.bytes += frame.payload
        guard frame.isFinal, let (isCompressed, bytes) = wire else { return }
        wire = nil
        guard isCompressed else {
            plainCount += 1
            messages.append(bytes)
            return
        }
        compressedByteCounts.append(bytes.count)
        var message: [UInt8] = []
        var room = [UInt8](repeating: 0, count: 16_384)
        unsafe window.bytes.withUnsafeBytes { window in
            unsafe inflater.begin(
                within: .init(byteCountMax: 1 << 30),
                window: serverTakesOver ? window : nil
            )
        }
        let defect = unsafe bytes.withUnsafeBytes { bytes in
            unsafe room.withUnsafeMutableBytes { room in
                unsafe inflater.inflate(bytes, isLast: true, by: room) { part, _ in
                    unsafe message += part
                    return true
                }
            }
        }
        #expect(defect == nil)
        unsafe message.withUnsafeBytes { unsafe window.append($0) }
        messages.append(message)
    }
}

/// Text that is like what applications send.
func sampleText(_ byteCount: Int, seed: UInt64 = 1) -> [UInt8] {
    var random = SplitMix(seed: seed)
    var text: [UInt8] = []
    while text.count < byteCount {
        let price = random.next() % 100_000
        text += Array(
            "{\"symbol\":\"BTC-€\",\"price\":\(price),\"id\":\(random.next() % 1000)},".utf8
        )
    }
    text.removeSubrange(byteCount...)
    // Not cut within a character.
    return text.map { $0 < 0x80 ? $0 : 0x61 }
}
