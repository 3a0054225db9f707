// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusCodec
import ApusTestSupport
import Testing

@Suite(.rfc7692("7")) struct `Compression on a server` {
    static let modes: [Compression] =
        engines + [
            .dedicated(), .dedicated(windowBits: 15, memoryLevel: 8),
            .dedicated(windowBits: 9, memoryLevel: 1), .dedicated(contextsMax: 0),
        ]
    /// Each for itself, by each engine that is built in.
    static let engines: [Compression] = Compression.Engine.allCases.filter(\.isBuiltIn)
        .flatMap { engine in
            [engine == .isaL ? 0 : 1, 2, 6].map { level in
                var compression = Compression.shared
                (compression.engine, compression.level) = (engine, level)
                return compression
            }
        }
    static let offers = [
        "permessage-deflate", "permessage-deflate; client_max_window_bits",
        "permessage-deflate; server_max_window_bits=9; client_max_window_bits=9",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
    ]

    @Test(arguments: modes, offers)
    func `echoes what it was sent`(compression: Compression, offer: String) throws {
        try inWorker {
            let world = World { $0.compression = compression }
            world.serveEcho()
            let client = try DeflatingPeer(world, offer: offer)
            var sent: [[UInt8]] = []
            for (index, count) in [300, 1, 0, 5000, 256, 255, 40_000, 1000, 70_000].enumerated() {
                let message = sampleText(count, seed: UInt64(index))
                sent.append(message)
                client.send(index % 2 == 0 ? 1 : 2, message, fragments: 1 + index % 4)
                if index % 3 == 0 {
                    client.peer.send(2, message)
                    sent.append(message)
                }
            }
            try world.run { client.messages.count == sent.count }
            #expect(client.messages == sent)
            #expect(client.peer.complaint == nil)
            // Those under the threshold are not compressed.
            #expect(client.plainCount == sent.filter { $0.count < 256 }.count)
            #expect(world.driver.counters.bytesInflated > 0)
            client.peer.sendClose()
            try world.run { client.peer.isOver }
            try world.drain()
            world.expectIdle()
            #expect(world.compressionGauges == [0, 0, 0])
        }
    }

    @Test func `takes a message however it is cut`() throws {
        try inWorker {
            let text = sampleText(700)
            var plain: [UInt8]?
            for fragments in [1, 2, 5, 1000] {
                let world = World { $0.compression = .shared }
                var messages: [[UInt8]] = []
                world.server.onRequest { request in
                    try request.accept().onMessage { message in
                        messages.append(Array(message.utf8Data?.utf8 ?? "".utf8))
                    }
                }
                let client = try DeflatingPeer(world)
                let data = client.compressed(text)
                let wire = DeflatingPeer.frames(1, data, fragments: fragments)
                for cut in stride(from: 0, through: wire.count, by: fragments > 9 ? 97 : 1) {
                    client.peer.write(wire[..<cut])
                    try world.turn()
                    client.peer.write(wire[cut...])
                    try world.run { !messages.isEmpty }
                    #expect(messages == [text], "\(fragments) frames, cut at \(cut)")
                    messages = []
                }
                plain = plain ?? data
            }
            #expect(plain != nil)
        }
    }

    @Test(arguments: [100, 16_384, 1 << 20])
    func `lets no message grow over the limit`(limit: Int) throws {
        try inWorker {
            for fragments in [1, 2, 400] {
                let world = World {
                    $0.compression = .shared
                    $0.maxReceivedMessageSize = limit
                    $0.maxReceivedFrameSize = 1 << 21
                }
                var count = 0
                var closed: CloseCode?
                world.server.onRequest { request in
                    let connection = try request.accept()
                    connection.onMessage { count += $0.byteCount }
                    connection.onClose { code, _ in closed = code }
                }
                let neighbour = try world.open()
                let client = try DeflatingPeer(world)
                client.send(2, [UInt8](repeating: 7, count: limit), fragments: fragments)
                try world.run { count == limit }
                client.send(2, [UInt8](repeating: 7, count: limit + 1), fragments: fragments)
                try world.run { client.peer.closeCode != nil }
                #expect(client.peer.closeCode == 1009)
                #expect(closed == .messageTooBig)
                #expect(count == limit)
                #expect(world.driver.counters.inflationsRefused == 1)
                neighbour.sendText("still here")
                try world.run { count == limit + 10 }
                try world.drain()
                world.expectIdle()
                #expect(world.compressionGauges == [0, 0, 0])
                #expect(world.driver.messageBuffers.value.lentCount == 0)
            }
        }
    }

    @Test func `minds the ratio where it is told to`() throws {
        try inWorker {
            let world = World {
                $0.compression = .shared
                $0.compression.maxInflationRatio = 50
            }
            world.serveEcho()
            let client = try DeflatingPeer(world)
            client.send(2, [UInt8](repeating: 7, count: 65_000))
            try world.run { client.messages.count == 1 }
            client.send(2, [UInt8](repeating: 7, count: 200_000))
            try world.run { client.peer.closeCode == 1009 }
        }
    }

    /// Z02, and what is in the text of a message.
    @Test(
        arguments: [
            (1, [0x06, 0x00], 1007), (2, [0xF2, 0x48, 0xCD], 1007),
            (2, [0xF2, 0x00, 0x11, 0x00, 0x00], 1007),
            (2, [0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0xFF], 1007),
            // A stored block with a byte that begins no character, and one with half a character.
            (1, [0x00, 0x01, 0x00, 0xFE, 0xFF, 0xFF, 0x00], 1007),
            (1, [0x00, 0x01, 0x00, 0xFE, 0xFF, 0xC3, 0x00], 1007),
        ] as [(UInt8, [UInt8], Int)]
    )
    func `fails what is corrupt`(opcode: UInt8, data: [UInt8], code: Int) throws {
        try inWorker {
            for fragments in [1, data.count] {
                for assembles in [true, false] {
                    let world = World {
                        $0.compression = .shared
                        $0.assembleFragments = assembles
                    }
                    var count = 0
                    world.server.onRequest { request in
                        try request.accept().onMessage { _ in count += 1 }
                    }
                    let client = try DeflatingPeer(world)
                    client.write(opcode, data, fragments: fragments)
                    try world.run { client.peer.isOver }
                    #expect(client.peer.closeCode == code)
                    #expect(count == 0)
                    try world.drain()
                    world.expectIdle()
                    #expect(world.compressionGauges == [0, 0, 0])
                    #expect(world.driver.messageBuffers.value.lentCount == 0)
                }
            }
        }
    }

    @Test func `refuses the mark of compression where none was agreed on`() throws {
        try inWorker {
            let world = World { $0.compression = .shared }
            world.serveEcho()
            let peer = try world.open()
            #expect(peer.head?.contains("Sec-WebSocket-Extensions") == false)
            peer.write(DeflatingPeer.frames(1, [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00]))
            try world.run { peer.closeCode == 1002 }
            let off = World()
            off.serveEcho()
            let offering = try off.open(fields: "Sec-WebSocket-Extensions: permessage-deflate\r\n")
            #expect(offering.head?.contains("Sec-WebSocket-Extensions") == false)
        }
    }

    @Test func `leaves plain what it is told to`() throws {
        try inWorker {
            let world = World { $0.compression = .dedicated() }
            var connection: WebSocketConnection?
            world.server.onRequest { connection = try $0.accept() }
            let client = try DeflatingPeer(world)
            let message = sampleText(2000)
            let text = String(decoding: message, as: UTF8.self)
            let open = try #require(connection)
            #expect(
                open.extensions
                    == "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12"
            )
            open.sendUTF(text)
            open.sendUTF(text, compress: false)
            open.sendBytes(message, compress: false)
            open.sendUTF(text, key: 1, compress: false)
            open.sendBytes(message, key: 1, compress: false)
            open.sendUTF(text)
            try world.run { client.messages.count == 6 }
            #expect(client.messages == Array(repeating: message, count: 6))
            #expect(client.plainCount == 4)
            // The second one refers to the first.
            #expect(client.compressedByteCounts[1] < client.compressedByteCounts[0] / 4)
        }
    }

    @Test func `sends as it is what compression does not make smaller`() throws {
        try inWorker {
            let world = World { $0.compression = .dedicated() }
            world.serveEcho()
            let client = try DeflatingPeer(world)
            var random = SplitMix(seed: 1)
            let noise = (0..<3000).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            let text = sampleText(1000)
            for message in [text, noise, text, noise, text] { client.peer.send(2, message) }
            try world.run { client.messages.count == 5 }
            #expect(client.messages == [text, noise, text, noise, text])
            #expect(client.plainCount == 2)
        }
    }

    @Test(arguments: [modes[0], modes[1]])
    func `compresses a message that is written in pieces`(compression: Compression) throws {
        try inWorker {
            let world = World { $0.compression = compression }
            var connection: WebSocketConnection?
            world.server.onRequest { connection = try $0.accept() }
            let client = try DeflatingPeer(world)
            let open = try #require(connection)
            let piece = sampleText(900)
            open.sendBytes(piece)
            for count in [1, 4] {
                let writer = try open.beginMessage(.binary)
                for _ in 0..<count { writer.write(piece) }
                writer.write("tiny")
                writer.finish()
                #expect(writer.finish() == .closed)
                open.sendBytes(piece)
            }
            let plain = try open.beginMessage(.text, compress: false)
            plain.write(piece)
            plain.finish()
            let small = try open.beginMessage(.text)
            small.write("tiny")
            small.write(piece)
            small.finish()
            let empty = try open.beginMessage(.text)
            empty.finish()
            open.sendBytes(piece)
            try world.run { client.messages.count == 9 }
            let tiny = Array("tiny".utf8)
            #expect(
                client.messages == [
                    piece, piece + tiny, piece, piece + piece + piece + piece + tiny, piece,
                    piece, tiny + piece, [], piece,
                ]
            )
            #expect(client.plainCount == 3)
        }
    }

    @Test func `compresses before it cuts into frames`() throws {
        try inWorker {
            let world = World {
                $0.compression = .dedicated()
                $0.fragmentOutgoingMessages = true
                $0.fragmentationThreshold = 100
            }
            world.serveEcho()
            let client = try DeflatingPeer(world)
            let messages = (0..<5).map { sampleText(3000, seed: $0) }
            for message in messages { client.peer.send(1, message) }
            try world.run { client.messages.count == 5 }
            #expect(client.messages == messages)
            #expect(client.peer.frames.count > 10)
            #expect(client.peer.frames.allSatisfy { $0.payload.count <= 100 })
        }
    }

    @Test func `hands out parts inflated`() throws {
        try inWorker {
            let world = World {
                $0.compression = .dedicated()
                $0.assembleFragments = false
            }
            var messages: [[UInt8]] = []
            var partByteCountMax = 0
            world.server.onRequest { request in
                try request.accept().onFrame { part in
                    if part.isFirst { messages.append([]) }
                    messages[messages.count - 1] += part.bytes
                    partByteCountMax = max(partByteCountMax, part.byteCount)
                }
            }
            let client = try DeflatingPeer(world)
            let sent = [5, 300_000, 0, 1000, 100_000].map { sampleText($0) }
            for (index, message) in sent.enumerated() {
                client.send(1, message, fragments: 1 + index)
            }
            client.peer.send(1, sent[3])
            try world.run { world.driver.counters.messagesReceived == 6 }
            #expect(messages == sent + [sent[3]])
            #expect(partByteCountMax <= 16_384)
            try world.drain()
            world.expectIdle()
            #expect(world.compressionGauges == [0, 0, 0])
        }
    }
}

@Suite struct `Compression and pauses` {
    /// However much comes out of what has come: paused is paused, also where there are no more
    /// inflaters for messages that come in part.
    @Test(arguments: [true, false])
    func `no part comes while the application pauses`(hasInflaters: Bool) throws {
        try inWorker {
            let world = World {
                $0.compression = .dedicated()
                $0.assembleFragments = false
            }
            var messages: [[UInt8]] = []
            var partCount = 0
            var connection: WebSocketConnection?
            world.server.onRequest { request in
                let open = try request.accept()
                connection = open
                open.onFrame { [unowned open] part in
                    #expect(!open.isPaused)
                    partCount += 1
                    if part.isFirst { messages.append([]) }
                    messages[messages.count - 1] += part.bytes
                    open.pause()
                }
            }
            let client = try DeflatingPeer(world)
            let pool = world.driver.compression
            let lent = (0..<(hasInflaters ? 0 : CompressionPool.streamingInflatersMax))
                .compactMap { _ in pool.takeStreamingInflater() }
            let sent = [200_000, 0, 16_384, 10, 50_000].map { sampleText($0) }
            for (index, message) in sent.enumerated() {
                client.send(1, message, fragments: 1 + index)
            }
            var pauseCount = 0
            while world.driver.counters.messagesReceived < sent.count {
                try world.run { connection?.isPaused == true }
                let seen = partCount
                try world.run(milliseconds: 10)
                #expect(partCount == seen)
                pauseCount += 1
                connection?.resume()
            }
            #expect(messages == sent)
            #expect(pauseCount == partCount || pauseCount == partCount - 1)
            for inflater in lent { pool.giveStreaming(inflater) }
            try world.drain()
            world.expectIdle()
            #expect(world.compressionGauges == [0, 0, 0])
        }
    }

    /// A block with BFINAL whose end is that of a part.
    @Test(arguments: [1, 2, 3])
    func `a message ends where the stream has ended before`(partCount: Int) throws {
        try inWorker {
            let world = World {
                $0.compression = .shared
                $0.assembleFragments = false
            }
            var messages: [[UInt8]] = []
            var lastCount = 0
            var connection: WebSocketConnection?
            world.server.onRequest { request in
                let open = try request.accept()
                connection = open
                open.onFrame { [unowned open] part in
                    if part.isFirst { messages.append([]) }
                    messages[messages.count - 1] += part.bytes
                    if part.isLast { lastCount += 1 }
                    open.pause()
                }
            }
            let client = try DeflatingPeer(world)
            let count = 16_384 * partCount
            let stored = [UInt8](repeating: 0x61, count: count)
            let length = [UInt8(count & 0xFF), UInt8(count >> 8)]
            client.write(2, [0x01] + length + length.map { ~$0 } + stored)
            let others = [1000, 0, 300].map { sampleText($0) }
            for other in others { client.send(2, other) }
            for _ in 0..<20 {
                try world.run(milliseconds: 10)
                connection?.resume()
            }
            #expect(messages == [stored] + others)
            #expect(lastCount == 4)
            #expect(world.driver.counters.messagesReceived == 4)
            #expect(world.compressionGauges == [0, 0, 0])
            try world.drain()
            world.expectIdle()
        }
    }
}

extension World {
    /// What compression holds for anybody.
    var compressionGauges: [Int] {
        let pool = driver.compression
        return [pool.contextCount, pool.lentDeflaterCount, pool.streamingCount]
    }
}
