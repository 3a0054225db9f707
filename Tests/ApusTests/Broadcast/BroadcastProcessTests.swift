// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusProtocol
import CApusSystem
import Glibc
import Testing

/// Two processes at a hub, each test in an exit test's process.
///
/// That one may have more threads when it forks, so the children do no more than they must.
@Suite struct BroadcastProcesses {
    /// Runs a child and returns its number.
    static func fork(_ body: () -> Int32) -> Int32 {
        let pid = apus_process_fork()
        if pid == 0 { _exit(body()) }
        return pid
    }

    static func end(of pid: Int32) -> Int32 {
        var status: Int32 = 0
        unsafe waitpid(pid, &status, 0)
        return status
    }

    /// Sends so many messages and receives so many; 0 if each came once, in order.
    static func run(_ channel: BroadcastChannel, sending: Int, hearing: Int) -> Int32 {
        var sent = 0
        var heard = 0
        var fault: Int32 = 0
        while true {
            if channel.backlogByteCount == 0 {
                for _ in 0..<(1 + sent % 40) where sent < sending {
                    _ = channel.send(BroadcastRegions.message(sent, byteCountMax: 90))
                    sent += 1
                }
            }
            if channel.flush(at: Instant(nanoseconds: 1)) > 0 { return 2 }
            channel.wakeReaders()
            channel.receive(byteCountMax: 1000) {
                if BroadcastRegions.number(of: $0, byteCountMax: 90) != heard { fault = 4 }
                heard += 1
            } lost: {
                fault = 5
            }
            if fault != 0 { return fault }
            let isSending = sent < sending || channel.backlogByteCount > 0
            if !isSending, heard == hearing { return 0 }
            if !channel.hasNews, channel.backlogByteCount > 0 || !isSending {
                // Whatever ends this wait is announced; else somebody forgot to.
                guard BroadcastChannels.isReadable(channel.descriptor, milliseconds: 20_000)
                else { return 3 }
                channel.woke()
            }
        }
    }

    @Test func `processes that hammer each other lose nothing, and no wake-up`() async {
        await #expect(processExitsWith: .success) {
            // With both ways one's messages would make up for a wake-up that is missing.
            for (ringByteCount, there, back) in [(4096, 30_000, 30_000), (256, 50_000, 0)] {
                let hub = try BroadcastHub(slotCount: 2, ringByteCount: ringByteCount)
                // Both have joined before either begins.
                let channels = (0..<2).map { BroadcastChannels.channel(hub, slot: $0) }
                let child = BroadcastProcesses.fork {
                    BroadcastProcesses.run(channels[0], sending: there, hearing: back)
                }
                let result = BroadcastProcesses.run(channels[1], sending: back, hearing: there)
                #expect(result == 0)
                #expect(BroadcastProcesses.end(of: child) == 0)
            }
        }
    }

    @Test func `writer that is killed leaves nothing torn, and its successor goes on`() async {
        await #expect(processExitsWith: .success) {
            for round in 0..<30 {
                let hub = try BroadcastHub(slotCount: 2, ringByteCount: 2048)
                var reader = BroadcastReader(hub.region(of: 0), number: 1)
                let child = BroadcastProcesses.fork {
                    var writer = BroadcastWriter(hub.region(of: 0))
                    for number in 0... {
                        // Some go in several records.
                        let message = BroadcastRegions.message(number, byteCountMax: 1500)
                        var position = 0
                        while position < message.count {
                            position = writer.write(message, from: position)
                        }
                    }
                    return 0
                }
                var heard = 0
                func take(_ message: [UInt8]) {
                    #expect(BroadcastRegions.number(of: message, byteCountMax: 1500) == heard)
                    heard += 1
                }
                while heard < 20 + round * 17 {
                    if case .message(let message) = reader.next() { take(message) }
                }
                kill(child, SIGKILL)
                #expect(BroadcastProcesses.end(of: child) == SIGKILL)
                let rest = BroadcastRegions.readAll(&reader)
                #expect(!rest.hasLapsed)
                for message in rest.messages { take(message) }
                var successor = BroadcastWriter(hub.region(of: 0))
                let message = BroadcastRegions.message(round, byteCountMax: 1500)
                var position = 0
                var last: [[UInt8]] = []
                while position < message.count {
                    position = successor.write(message, from: position)
                    last += BroadcastRegions.readAll(&reader).messages
                }
                #expect(last == [message])
            }
        }
    }

    @Test func `reader that is given up at any moment uses no byte that was overwritten`() async {
        await #expect(processExitsWith: .success) {
            let hub = try BroadcastHub(slotCount: 2, ringByteCount: 2048)
            let region = hub.region(of: 0)
            var reader = BroadcastReader(region, number: 1)
            let child = BroadcastProcesses.fork {
                var writer = BroadcastWriter(region)
                for number in 0... {
                    let message = BroadcastRegions.message(number)
                    while writer.write(message, from: 0) == 0 {
                        // Without any grace.
                        let cursor = region.cursor(of: 1)
                        _ = region.moveCursor(of: 1, from: cursor, to: BroadcastRegion.absent)
                    }
                }
                return 0
            }
            var last = -1
            var heardCount = 0
            var lapseCount = 0
            while lapseCount < 20_000 {
                switch reader.next() {
                case .nothing, .part: break
                case .message(let message):
                    let number = BroadcastRegions.number(of: message)
                    #expect(number.map { $0 > last } == true, "\(message) after \(last)")
                    last = number ?? last
                    heardCount += 1
                case .lapsed:
                    lapseCount += 1
                    reader.join()
                }
            }
            kill(child, SIGKILL)
            #expect(BroadcastProcesses.end(of: child) == SIGKILL)
            #expect(heardCount > 0)
        }
    }
}
