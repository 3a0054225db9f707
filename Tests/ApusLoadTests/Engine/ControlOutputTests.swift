// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import ApusLoad

@Suite struct `Control frames that wait` {
    private let begun: [UInt8] = [1, 2, 3]
    private let others: [UInt8] = [4, 5]

    private func pong(_ number: Int) -> [UInt8] {
        Array(repeating: UInt8(truncatingIfNeeded: number), count: 131)
    }

    @Test func `stay few behind one that was begun, however often the server pings`() {
        let control = ControlOutput()
        control.putBack(begun)
        control.append(others)
        for number in 0...10_000 { control.append(pong: pong(number)) }
        let bytes = control.bytes
        #expect(bytes.count <= ControlOutput.waitingByteCountMax + 131 + begun.count + others.count)
        #expect(bytes.starts(with: begun))
        #expect(bytes.suffix(others.count) == others[...])
        #expect(bytes.dropLast(others.count).suffix(131) == pong(10_000)[...])
    }

    @Test func `stay few when the kernel takes but a byte at a time`() {
        var control = ControlOutput()
        for _ in 0..<1000 {
            let given = control.bytes
            control = ControlOutput()
            for number in 0..<100 { control.append(pong: pong(number)) }
            control.putBack(Array(given.dropFirst()))
            #expect(control.bytes.count < OutputMemory.controlByteCountMax)
        }
    }

    @Test func `keep those that are no pongs`() {
        let control = ControlOutput()
        control.append(others)
        for number in 0..<100 { control.append(pong: pong(number)) }
        control.append(others)
        #expect(control.bytes.suffix(4) == (others + others)[...])
    }
}
