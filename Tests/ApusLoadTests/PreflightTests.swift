// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import ApusLoad

@Suite struct `The preflight` {
    private let machine = Preflight(
        ringRefusal: nil,
        descriptorsMax: 1032,
        portCount: 2500,
        memoryAvailable: 1 << 30
    )

    private func plan(_ connections: Int, sources: Int = 0) -> LoadPlan {
        var plan = LoadPlan(url: "ws://127.0.0.1/")
        plan.connections = connections
        plan.sourceAddresses = (0..<sources).map { "127.0.0.\($0)" }
        return plan
    }

    @Test func `lets pass what there is enough for`() {
        #expect(machine.shortage(plan(1000), processes: 1) == nil)
        #expect(machine.shortage(plan(2500), processes: 3) == nil)
    }

    @Test func `counts descriptors of the largest process, and says how many processes would do`() {
        #expect(machine.shortage(plan(1001), processes: 1)?.contains("--processes 2 ") == true)
        // 2001 connections of two processes: one has 1001.
        #expect(machine.shortage(plan(2001), processes: 2)?.contains("--processes 3 ") == true)
        #expect(machine.shortage(plan(2001), processes: 3) == nil)
    }

    @Test func `finds nothing to suggest where hardly a descriptor is to be had`() {
        var machine = machine
        machine.descriptorsMax = 20
        #expect(machine.shortage(plan(1), processes: 1)?.contains("ulimit") == true)
    }

    @Test func `counts ports of all source addresses together`() {
        let shortage = machine.shortage(plan(5001, sources: 2), processes: 10)
        #expect(shortage?.contains("use 3 --source-addresses") == true)
        #expect(machine.shortage(plan(5000, sources: 2), processes: 10) == nil)
    }

    @Test func `counts memory of connections, of processes and of messages under way`() {
        var machine = machine
        machine.memoryAvailable =
            Preflight.bytesPerProcess + 100 * (Preflight.bytesPerConnection + 20)
        #expect(machine.shortage(plan(100), processes: 1) == nil)
        #expect(machine.shortage(plan(101), processes: 1)?.contains("memory") == true)
        #expect(machine.shortage(plan(100), processes: 2)?.contains("memory") == true)
        var large = plan(100)
        large.sizes = 20...100_000
        #expect(machine.shortage(large, processes: 1)?.contains("--size") == true)
        large.mode = .idle
        #expect(machine.shortage(large, processes: 1) == nil)
    }

    @Test func `says first that there is no ring`() {
        var machine = machine
        machine.ringRefusal = "Why. How."
        #expect(
            machine.shortage(plan(1_000_000), processes: 1)
                == "io_uring is not available: Why. How."
        )
    }
}
