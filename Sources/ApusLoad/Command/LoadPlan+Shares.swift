// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

extension LoadPlan {
    /// What each of so many processes does, so that they do together what this plan says.
    ///
    /// Connections differ by at most one; rates are shared as the connections are, and the times of
    /// one process lie between those of the others. Whichever process opens a connection, it comes
    /// from the same source address.
    func shares(processes: Int) -> [LoadPlan] {
        var first = 0
        return (0..<processes).map { index in
            var share = self
            share.connections = connections / processes + (index < connections % processes ? 1 : 0)
            share.firstConnection = first
            let part = Double(share.connections) / Double(connections)
            // A fan-out has one sender, which keeps the whole rate, and whose messages all know.
            if mode != .fanout {
                share.rate = rate.map { $0 * part }
                share.seed = seed &+ UInt64(index)
            }
            share.rateOffset = Double(index) / Double(processes)
            share.connectRate = connectRate.map { $0 * part }
            if !sourceAddresses.isEmpty {
                let turn = first % sourceAddresses.count
                share.sourceAddresses = Array(sourceAddresses[turn...] + sourceAddresses[..<turn])
            }
            first += share.connections
            return share
        }
    }
}
