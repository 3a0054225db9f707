// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusProtocol

/// A broadcast: a message as it is and, behind it, the same one compressed, where it is.
@safe
struct BroadcastMessage {
    let plain: UnsafeRawBufferPointer
    let compressed: UnsafeRawBufferPointer

    init(_ frames: UnsafeRawBufferPointer) {
        var end = 0
        let span = unsafe Span<UInt8>(_unsafeBytes: frames)
        while case .header(let header) = FrameHeader.decode(span, from: end, as: .client) {
            end += header.headerByteCount + Int(header.payloadByteCount)
            if header.isFinal { break }
        }
        unsafe plain = UnsafeRawBufferPointer(rebasing: frames[..<end])
        unsafe compressed = UnsafeRawBufferPointer(rebasing: frames[end...])
    }

    /// Whether a connection gets it compressed: it has agreed on that, and its peer's window reaches
    /// over all of it.
    @WorkerActor
    func isCompressed(for webSocket: WebSocketConnection) -> Bool {
        guard unsafe compressed.count > 0,
            let bits = webSocket.machine.value.deflate?.server.windowBits
        else { return false }
        return unsafe bits == 15 || plain.count <= 1 << bits
    }
}
