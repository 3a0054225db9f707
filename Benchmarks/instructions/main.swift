// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import CApusCodec

// What ../run-instructions counts: the work of codec and protocol, one workload after the other.

/// How often each workload is done while it is counted.
let operationCount = 1000

/// When this ends, callgrind writes down what it counted since it ended before: run-instructions knows
/// it by its name.
///
/// False as soon as an operation did not do what it should.
@inline(never)
func countInstructions(of operationCount: Int, _ operation: () -> Bool) -> Bool {
    for _ in 0..<operationCount {
        guard operation() else { return false }
    }
    return true
}

/// One more workload; its line says that it was counted.
func workload(_ name: String, _ operation: () -> Bool) {
    // What came before, and what is done on first use, is no part of it.
    let isReady = countInstructions(of: 10, operation)
    guard isReady, countInstructions(of: operationCount, operation) else {
        fatalError("\(name): not the expected outcome")
    }
    print(name)
}

print(operationCount, apus_variant_current().rawValue)
messages()
pieces()
controlFrames()
frames()
handshakes()
admission()
