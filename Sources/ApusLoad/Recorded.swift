// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Histogram

/// Latencies that go to another process as the values that there are, each with its count: most of
/// a histogram's tens of thousands are none.
@propertyWrapper
struct Recorded: Codable, Sendable {
    var wrappedValue: LoadReport.Latencies

    init(wrappedValue: LoadReport.Latencies) {
        self.wrappedValue = wrappedValue
    }

    init(from decoder: any Decoder) throws {
        wrappedValue = LoadReport.noLatencies()
        var numbers = try decoder.unkeyedContainer()
        while !numbers.isAtEnd {
            let value = try numbers.decode(UInt64.self)
            wrappedValue.record(value, count: try numbers.decode(UInt64.self))
        }
    }

    func encode(to encoder: any Encoder) throws {
        var numbers = encoder.unkeyedContainer()
        for step in wrappedValue.recordedValues() {
            try numbers.encode(step.value)
            try numbers.encode(step.count)
        }
    }
}
