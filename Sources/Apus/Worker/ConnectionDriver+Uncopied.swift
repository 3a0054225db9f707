// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusRing

extension ConnectionDriver where Ring: ~Copyable {
    // MARK: Payloads that are sent from where they lie

    /// From this size on a payload is sent from where it lies, without a copy, by a system call; up to
    /// here that costs more than the copy, which rides with the wait.
    var uncopiedByteCountMin: Int { 8193 }

    /// Queued bytes, header and payload in one system call; what does not fit is copied and queued.
    func sendUncopied(
        _ header: FrameHeader,
        _ payload: UnsafeRawBufferPointer,
        on connection: Connection
    ) {
        if connection.slot == readingSlot,
            let frame = unsafe sendScratch.takeFrameInPlace(header, payload)
        {
            unsafe connection.output.value.append(borrowing: frame, from: &outputPool.value)
            sendScratch.isBorrowing = true
            return
        }
        if let tls = connection.tls {
            unsafe sendSealed(header, payload, by: tls, on: connection)
            return
        }
        let queued = connection.output.value.byteCount
        let (headerBytes, sent) = unsafe sendParts(of: connection, header, payload)
        guard sent >= 0 else {
            sendFailed(on: connection, errno: Int32(clamping: -sent))
            if connection.stage == .open {
                unsafe connection.output.value.append(header, payload, from: &outputPool.value)
            }
            return
        }
        connection.output.value.removeFirst(min(sent, queued), to: &outputPool.value)
        let ofHeader = min(max(0, sent - queued), headerBytes.count)
        let ofPayload = max(0, sent - queued - headerBytes.count)
        unsafe connection.output.value.append(
            UnsafeRawBufferPointer(rebasing: headerBytes[ofHeader...]),
            UnsafeRawBufferPointer(rebasing: payload[ofPayload...]),
            from: &outputPool.value
        )
        guard !connection.output.value.isEmpty else { return }
        counters.sendsShort += 1
        awaitWritable(connection)
    }

    /// One system call for the queue with a frame behind it; returns where its header was encoded, for
    /// this turn.
    private func sendParts(
        of connection: Connection,
        _ header: FrameHeader,
        _ payload: UnsafeRawBufferPointer
    ) -> (header: UnsafeRawBufferPointer, sent: Int) {
        let header = unsafe sendScratch.encode(header)
        let parts = unsafe sendScratch.parts
        let last = parts.count - 2
        var count = unsafe connection.output.value.fill(
            UnsafeMutableBufferPointer(rebasing: parts[..<last])
        )
        // It may only be sent with everything that is before it.
        if count < last {
            unsafe parts[count] = header
            unsafe parts[count + 1] = payload
            count += 2
        }
        let offered = unsafe UnsafeBufferPointer(rebasing: parts[..<count])
        return unsafe (header, ring.sendNow(offered, on: connection.socket))
    }

    /// The bytes that were read are about to be given back: what is sent of them goes out together.
    func sendBorrowed(on connection: Connection) {
        sendScratch.isBorrowing = false
        guard connection.stage == .open || connection.stage == .finishing else { return }
        flushNow(connection)
        connection.output.value.own(from: &outputPool.value)
    }
}
