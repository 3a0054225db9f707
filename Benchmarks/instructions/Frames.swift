// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusProtocol

/// Whole messages in one read of a server.
func messages() {
    read("text of 20 B", frame(.text, ascii(20)))
    let many = (0..<16).flatMap { _ in frame(.text, ascii(20)) }
    read("16 texts of 20 B in one read", many, expecting: 16)
    read("binary of 125 B", frame(.binary, ascii(125)))
    read("binary of 1 KiB", frame(.binary, ascii(1024)))
    read("binary of 16 KiB", frame(.binary, ascii(16384)))
    read("text of 1 KiB, ASCII", frame(.text, ascii(1024)))
    read("text of 1 KiB, not ASCII", frame(.text, japanese(1024)))
}

private func read(_ name: String, _ bytes: [UInt8], expecting count: Int = 1) {
    let memory = unsafe received(bytes)
    var endpoint = Endpoint()
    workload(name) { unsafe endpoint.read(memory) == count }
    unsafe memory.deallocate()
}

/// Messages that don't come whole.
func pieces() {
    let fragments =
        frame(.text, ascii(100), isFinal: false)
        + frame(.continuation, ascii(100), isFinal: false)
        + frame(.continuation, ascii(100))
    read("text of 3 fragments of 100 B in one read", fragments)

    let whole = frame(.text, ascii(1024))
    let cuts = [4, 500]
    for (cut, place) in zip(cuts, ["header", "payload"]) {
        let first = unsafe received(Array(whole[..<cut]))
        let second = unsafe received(Array(whole[cut...]))
        let target = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 1024)
        var endpoint = Endpoint()
        workload("text of 1 KiB in two reads, cut in its \(place)") {
            unsafe endpoint.read(first) == 0
                && endpoint.read(second, continuingIn: target) == 1
        }
        unsafe first.deallocate()
        unsafe second.deallocate()
        unsafe target.deallocate()
    }
}

/// What is not for the application first of all.
func controlFrames() {
    read("ping of 4 B", frame(.ping, ascii(4)))

    let close = unsafe received(frame(.close, ClosePayload.encode(.normalClosure, reason: "bye")))
    var endpoint = Endpoint()
    workload("the peer's Close, with a reason") {
        endpoint.machine = Endpoint.newMachine()
        return unsafe endpoint.read(close) == 1 && endpoint.machine.isClosed
    }
    workload("our Close and its answer") {
        endpoint.machine = Endpoint.newMachine()
        return unsafe endpoint.machine.close(at: now) && endpoint.read(close) == 1
            && endpoint.machine.isClosed
    }
    unsafe close.deallocate()
}

/// What is sent.
func frames() {
    let output = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 2048)
    unsafe output.initialize(repeating: 0)
    guard let start = output.baseAddress else { return }
    workload("header of a server's text of 20 B") {
        unsafe FrameHeader(opcode: .text, payloadByteCount: 20).encode(to: start) == 2
    }
    for (byteCount, size) in zip([20, 1024], ["20 B", "1 KiB"]) {
        let payload = unsafe received(ascii(byteCount))
        workload("a client's masked text of \(size)") {
            let header = FrameHeader(
                opcode: .text,
                payloadByteCount: UInt64(byteCount),
                maskingKey: key
            )
            let headerByteCount = unsafe header.encode(to: start)
            unsafe key.copy(UnsafeRawBufferPointer(payload), to: start + headerByteCount)
            return unsafe start[headerByteCount] == 0x61
        }
        unsafe payload.deallocate()
    }
    unsafe output.deallocate()
}
