// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusRing

/// The worker's connections by slot; a slot's generation tells its tenants apart.
@WorkerActor
struct ConnectionTable {
    private var connections: [Connection?] = []
    private var generations: [UInt32] = []
    private var freeSlots: [UInt32] = []

    /// How many slots have a connection.
    private(set) var count = 0

    /// Makes a connection in a free slot.
    mutating func insert(_ make: (_ slot: UInt32, _ generation: UInt32) -> Connection) -> Connection
    {
        let slot: UInt32
        if let free = freeSlots.popLast() {
            slot = free
        } else {
            slot = UInt32(connections.count)
            connections.append(nil)
            generations.append(0)
        }
        let connection = make(slot, generations[Int(slot)])
        connections[Int(slot)] = connection
        count += 1
        return connection
    }

    /// The connection that a completion belongs to; nil if it is gone.
    func connection(for tag: OperationTag) -> Connection? {
        let slot = Int(tag.slot)
        guard slot < connections.count, generations[slot] == tag.generation else { return nil }
        return connections[slot]
    }

    func connection(in slot: Int) -> Connection? {
        connections[slot]
    }

    mutating func remove(_ connection: Connection) {
        let slot = Int(connection.slot)
        connections[slot] = nil
        generations[slot] = (generations[slot] + 1) % OperationTag.generationCount
        freeSlots.append(connection.slot)
        count -= 1
    }

    /// All connections, for an orderly end.
    var all: [Connection] { connections.compactMap { $0 } }
}
