// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusProtocol
import ApusRing
import Logging

/// What a worker keeps for broadcasts.
@WorkerActor
final class Broadcasts {
    /// What leads to the other workers; nil where there are none.
    var channel: BroadcastChannel? {
        didSet { isActive.value = channel != nil }
    }

    /// Whether there may be something to do about them this turn; all that a turn without asks.
    let isActive = Pinned(false)

    /// Other workers have something for this one.
    func woke() {
        channel?.woke()
        isActive.value = channel != nil
    }

    /// Connections that are not read from until the other workers have caught up.
    var publishers: [Connection] = []

    /// By slot: what waits until the message that is being sent in pieces has ended.
    var held: [UInt32: Held] = [:]

    struct Held {
        var messages: [[UInt8]] = []
        var byteCount = 0
    }

    /// Whether one is being given to the connections; further ones wait for their turn.
    var isDelivering = false
    var waiting: [Delivery] = []

    struct Delivery {
        let frames: [UInt8]
        let server: WebSocketServer
        let exception: WebSocketConnection?
    }
}

// MARK: What a server asks of its worker

extension ConnectionDriver where Ring: ~Copyable {
    func broadcast(
        _ opcode: Opcode,
        _ payload: UnsafeRawBufferPointer,
        of server: WebSocketServer,
        except: WebSocketConnection?,
        compress: Bool
    ) -> BroadcastResult {
        var frames = unsafe encode(opcode, payload)
        if compress {
            unsafe withBroadcastCompressed(payload) {
                unsafe frames += encode(opcode, $0, reservedBits: 0x40)
            }
        }
        var result = BroadcastResult.sent
        if let channel = broadcasts.channel, channel.server === server {
            result = channel.send(frames)
            broadcasts.isActive.value = true
            switch result {
            case .sent: break
            case .queued: pausePublisher()
            case .overLimit:
                counters.broadcastsRefused += 1
                return result
            }
        }
        counters.broadcastsSent += 1
        deliver(Broadcasts.Delivery(frames: frames, server: server, exception: except))
        return result
    }

    var broadcastBacklog: Int { broadcasts.channel?.backlogByteCount ?? 0 }

    /// The frames of a message, as all of its receivers get them.
    private func encode(
        _ opcode: Opcode,
        _ payload: UnsafeRawBufferPointer,
        reservedBits: UInt8 = 0
    ) -> [UInt8] {
        let starts = stride(from: 0, to: max(1, payload.count), by: fragmentByteCountMax)
        let capacity = payload.count + starts.underestimatedCount * FrameHeader.byteCountMax
        return unsafe [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
            guard let output = buffer.baseAddress else { return }
            for start in starts {
                let rest = payload.count - start
                let header = FrameHeader(
                    isFinal: rest <= fragmentByteCountMax,
                    reservedBits: start == 0 ? reservedBits : 0,
                    opcode: start == 0 ? opcode : .continuation,
                    payloadByteCount: UInt64(min(rest, fragmentByteCountMax))
                )
                unsafe count += header.encode(to: output + count)
                guard let source = payload.baseAddress else { return }
                let byteCount = Int(header.payloadByteCount)
                unsafe UnsafeMutableRawPointer(output + count)
                    .copyMemory(from: source + start, byteCount: byteCount)
                count += byteCount
            }
        }
    }

    // MARK: The turn

    /// Before the flush: what the other workers have broadcast goes to this one's connections.
    func takeBroadcasts() {
        guard broadcasts.isActive.value, let channel = broadcasts.channel else { return }
        if channel.hasNews {
            // As much as makes about one chunk for each connection, to be flushed before more comes.
            channel.receive(byteCountMax: OutputPool.largeByteCount) { frames in
                counters.broadcastsReceived += 1
                let delivery = Broadcasts.Delivery(
                    frames: frames,
                    server: channel.server,
                    exception: nil
                )
                deliver(delivery)
            } lost: {
                lostBroadcasts(of: channel.server)
            }
        }
        writeBacklog(to: channel)
        if channel.backlogByteCount == 0 { resumePublishers() }
    }

    /// After it: the other workers get what this turn has broadcast.
    func passBroadcasts() {
        guard broadcasts.isActive.value, let channel = broadcasts.channel else { return }
        writeBacklog(to: channel)
        channel.wakeReaders()
        broadcasts.isActive.value =
            channel.hasNews || channel.backlogByteCount > 0 || !broadcasts.publishers.isEmpty
    }

    /// When the next turn has to come for them.
    var broadcastDeadline: Instant? {
        guard broadcasts.isActive.value, let channel = broadcasts.channel else { return nil }
        // There is more to read, or publishers can go on.
        if channel.hasNews || channel.backlogByteCount == 0 { return now }
        return channel.deadline
    }

    private func writeBacklog(to channel: BroadcastChannel) {
        let lapsedCount = channel.flush(at: now)
        guard lapsedCount > 0 else { return }
        counters.broadcastReadersLapsed += lapsedCount
        logger.warning(
            "broadcasts go on without workers that take none",
            metadata: ["count": "\(lapsedCount)"]
        )
    }

    /// This worker was too far behind: its connections have missed something.
    private func lostBroadcasts(of server: WebSocketServer) {
        counters.broadcastLosses += 1
        let isClosing = configuration.slowConsumerPolicy == .close
        logger.warning(
            "broadcasts were lost: this worker took none for too long",
            metadata: ["closed": "\(isClosing ? server.connections.count : 0)"]
        )
        guard isClosing else { return }
        for webSocket in server.connections where webSocket.machine.value.isOpen {
            guard let connection = webSocket.transport else { continue }
            fail(webSocket, on: connection, .policyViolation, "broadcasts were lost")
        }
    }

    // MARK: Publishers

    /// The connection that is being read, whose handler broadcasts, waits until others catch up.
    private func pausePublisher() {
        guard readingSlot != .max, let connection = table.connection(in: Int(readingSlot)),
            connection.stage == .open, connection.webSocket?.machine.value.isOpen == true,
            connection.pauses.insert(.broadcast).inserted
        else { return }
        broadcasts.publishers.append(connection)
        // The rest of the batch waits as well.
        batch.value.hold()
        updateReceiving(on: connection)
    }

    private func resumePublishers() {
        guard !broadcasts.publishers.isEmpty else { return }
        for connection in broadcasts.publishers {
            guard connection.pauses.remove(.broadcast) != nil, connection.stage == .open
            else { continue }
            // For keepalive the silence of a peer begins now.
            connection.webSocket?.machine.value.peerMadeProgress(at: now)
            if connection.held != nil {
                resumed.append(connection)
            } else {
                updateReceiving(on: connection)
            }
        }
        broadcasts.publishers.removeAll(keepingCapacity: true)
    }
}
