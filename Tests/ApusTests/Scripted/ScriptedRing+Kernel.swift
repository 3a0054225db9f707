// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusRing
import Glibc

// What the kernel does between the verbs and the completions.
extension ScriptedRing {
    /// Takes bytes of the server; how many, or `-errno`.
    func transmit(_ bytes: [UInt8], on socket: VirtualSocket) -> Int {
        if let errno = socket.brokenBy { return Int(random.chance(50) ? -errno : -EPIPE) }
        if socket.isShutForSending { return Int(-EPIPE) }
        if random.chance(faults.refusedSends) {
            return Int(-[EAGAIN, EINTR, ENOBUFS][random.upTo(3) - 1])
        }
        let room = socket.outboundByteCountMax - socket.outbound.count
        guard room > 0 else { return Int(-EAGAIN) }
        var count = min(room, bytes.count)
        if random.chance(faults.shortSends) {
            count = min(count, random.upTo(faults.shortSendByteCountMax))
        }
        socket.outbound.append(bytes[..<count])
        return count
    }

    /// Hands the peer what it reads.
    func deliver(_ socket: VirtualSocket) {
        guard let peer = socket.peer, socket.brokenBy == nil, peer.isReading else { return }
        if !socket.outbound.isEmpty {
            peer.read(socket.outbound.removeFirst(socket.outbound.count))
        }
        if socket.isShutForSending { peer.readEnd() }
    }

    // MARK: Submissions

    func submit() {
        let prepared = submissions
        submissions = []
        for submission in prepared {
            switch submission {
            case .accept(let listener, let tag):
                accepts.append((listener, tag))
            case .connect(let descriptor, let bytes, let copy, let tag):
                if unsafe !bytes.elementsEqual(copy) {
                    misuse("the address of a connect on \(descriptor) changed")
                }
                guard let socket = sockets[descriptor], socket.connecting == tag else { continue }
                connect(socket, to: copy)
            case .receive(let descriptor, let tag, let isOnce):
                sockets[descriptor]?.receiving = tag
                sockets[descriptor]?.isReceivingOnce = isOnce
            case .writable(let descriptor, let tag):
                sockets[descriptor]?.waitingForWritable = tag
            case .readable(let descriptor, let tag):
                sockets[descriptor]?.waitingForReadable = tag
            case .send(let descriptor, let bytes, let copy, let tag):
                guard let socket = sockets[descriptor] else {
                    misuse("\(descriptor) was closed before its send was handed in")
                    continue
                }
                if unsafe !bytes.elementsEqual(copy) {
                    misuse("the bytes of a send on \(descriptor) changed")
                }
                sentByRing.append(copy.count)
                let result = transmit(copy, on: socket)
                if result < copy.count {
                    batch.append(Completion(withoutBytes: tag, Int32(result)))
                }
            case .cancel(let target, let tag):
                cancel(target, answeringTo: tag)
            }
        }
    }

    private func connect(_ socket: VirtualSocket, to address: [UInt8]) {
        if random.chance(faults.failedConnects) {
            socket.connectResult = -[ETIMEDOUT, ENETUNREACH, ECONNRESET, EINTR][random.upTo(4) - 1]
            return
        }
        switch answerConnect(address, socket) {
        case .connected(let delay):
            socket.connectResult = 0
            socket.connectedAfter = now + delay
            after(delay) {}
        case .refusal(let errno): socket.connectResult = -errno
        case .silence: break
        }
    }

    private func completeConnect(of socket: VirtualSocket) {
        guard let tag = socket.connecting, let result = socket.connectResult,
            socket.connectedAfter <= now
        else { return }
        socket.connecting = nil
        end(tag, of: socket)
        batch.append(Completion(withoutBytes: tag, result))
    }

    /// Ends a connect, unless the cancel comes too late; whether there was one.
    private func cancelConnect(_ target: OperationTag, answeringTo tag: OperationTag) -> Bool {
        guard let socket = sockets.values.first(where: { $0.connecting == target }) else {
            return false
        }
        if random.chance(faults.untrueCancels), socket.connectResult != nil {
            post(Completion(withoutBytes: tag, -EALREADY))
            return true
        }
        post(Completion(withoutBytes: tag, 0))
        socket.connecting = nil
        end(target, of: socket)
        post(Completion(withoutBytes: target, -ECANCELED))
        return true
    }

    private func cancel(_ target: OperationTag, answeringTo tag: OperationTag) {
        let isUntrue = random.chance(faults.untrueCancels)
        let untrue: Int32 = [0, -ENOENT, -EALREADY][random.upTo(3) - 1]
        if let index = accepts.firstIndex(where: { $0.tag == target }) {
            let listener = accepts.remove(at: index).listener
            post(Completion(withoutBytes: tag, isUntrue ? untrue : 0))
            if isUntrue, let completion = acceptCompletion(tag: target, listener: listener) {
                post(completion)
            } else {
                post(Completion(withoutBytes: target, -ECANCELED))
            }
            return
        }
        if cancelConnect(target, answeringTo: tag) { return }
        if cancelPoll(target, answeringTo: tag) { return }
        let found = sockets.values.first { $0.receiving == target }
        guard let socket = found else {
            post(Completion(withoutBytes: tag, -ENOENT))
            return
        }
        post(Completion(withoutBytes: tag, isUntrue ? untrue : 0))
        socket.receiving = nil
        end(target, of: socket)
        if isUntrue, !socket.inbound.isEmpty {
            post(receiveCompletion(of: socket, tag: target, hasMore: false))
        } else if isUntrue, untrue < 0 {
            post(Completion(withoutBytes: target, -EINTR))
        } else {
            post(Completion(withoutBytes: target, -ECANCELED))
        }
    }

    /// Ends a poll, unless the cancel comes too late; whether there was one.
    private func cancelPoll(_ target: OperationTag, answeringTo tag: OperationTag) -> Bool {
        guard let socket = sockets.values.first(where: { $0.waitingForReadable == target }) else {
            return false
        }
        if random.chance(faults.untrueCancels), socket.isReadable {
            post(Completion(withoutBytes: tag, -EALREADY))
            return true
        }
        post(Completion(withoutBytes: tag, 0))
        socket.waitingForReadable = nil
        end(target, of: socket)
        post(Completion(withoutBytes: target, -ECANCELED))
        return true
    }

    private func completePoll(of socket: VirtualSocket) {
        guard let tag = socket.waitingForReadable, socket.isReadable else { return }
        socket.waitingForReadable = nil
        end(tag, of: socket)
        let isBroken = socket.brokenBy != nil
        batch.append(Completion(withoutBytes: tag, isBroken ? POLLIN | POLLERR : POLLIN))
    }

    /// Into this wait's batch, or with a fault sometimes into the next one's.
    private func post(_ completion: Completion) {
        // Bytes may not be lent over a wait, and what was lent for it must come in order.
        if completion.bufferIndex == nil, random.chance(faults.stalls) {
            posted.append(completion)
            after(1) {}
        } else if random.chance(faults.reorderings) {
            batch.insert(completion, at: 0)
        } else {
            batch.append(completion)
        }
    }

    // MARK: Completions

    /// Whatever has come about since the last wait.
    func collect() {
        for (listener, tag) in accepts {
            guard let completion = acceptCompletion(tag: tag, listener: listener) else { continue }
            accepts.removeAll { $0.tag == tag }
            batch.append(completion)
        }
        var ready = order.compactMap { sockets[$0] }
        ready += sockets.values.filter { !order.contains($0.descriptor) }
            .sorted { $0.descriptor < $1.descriptor }
        for _ in 0..<3 {
            if random.chance(faults.reorderings) { ready.shuffle(using: &random) }
            for socket in ready where socket.stalledUntil <= now && batch.count < batchCountMax {
                if random.chance(faults.stalls), socket.receiving != nil, !socket.inbound.isEmpty {
                    let pause = UInt64(random.upTo(50)) * 1_000_000
                    socket.stalledUntil = now + pause
                    after(pause) {}
                    continue
                }
                completeConnect(of: socket)
                completePoll(of: socket)
                completeReceive(of: socket)
                completeWritable(of: socket)
            }
        }
    }

    private func acceptCompletion(tag: OperationTag, listener: Int32) -> Completion? {
        if now < descriptorsShortUntil { return Completion(withoutBytes: tag, -EMFILE) }
        guard backlog[listener]?.isEmpty == false else { return nil }
        if random.chance(faults.failedAccepts) {
            let errno = [ECONNABORTED, EINTR, EPROTO, EPERM, EAGAIN][random.upTo(5) - 1]
            return Completion(withoutBytes: tag, -errno)
        }
        if random.chance(faults.descriptorShortages) {
            let pause = UInt64(random.upTo(700)) * 1_000_000
            descriptorsShortUntil = now + pause
            return Completion(withoutBytes: tag, -[EMFILE, ENFILE, ENOMEM][random.upTo(3) - 1])
        }
        guard let socket = backlog[listener]?.removeFirst() else { return nil }
        socket.descriptor = takeDescriptor()
        sockets[socket.descriptor] = socket
        return Completion(withoutBytes: tag, socket.descriptor)
    }

    private func completeReceive(of socket: VirtualSocket) {
        guard let tag = socket.receiving else { return }
        func end(_ result: Int32) {
            socket.receiving = nil
            self.end(tag, of: socket)
            batch.append(Completion(withoutBytes: tag, result))
        }
        if let errno = socket.brokenBy {
            end(-errno)
        } else if !socket.inbound.isEmpty {
            if lentBufferCount >= bufferCountMax {
                end(-ENOBUFS)
            } else if random.chance(faults.refusedReceives) {
                end(-[ENOBUFS, EAGAIN, EINTR][random.upTo(3) - 1])
            } else {
                let hasMore =
                    !socket.isReceivingOnce && !random.chance(faults.droppedHasMore)
                if !hasMore {
                    socket.receiving = nil
                    self.end(tag, of: socket)
                }
                batch.append(receiveCompletion(of: socket, tag: tag, hasMore: hasMore))
            }
        } else if socket.peerHasEnded || socket.isShut {
            end(0)
        }
    }

    private func receiveCompletion(
        of socket: VirtualSocket,
        tag: OperationTag,
        hasMore: Bool
    ) -> Completion {
        var count = min(socket.inbound.count, bufferByteCount)
        if random.chance(faults.splitReceives) {
            count = min(count, random.upTo(faults.splitByteCountMax))
        }
        let (index, bytes) = unsafe lend(socket.inbound.removeFirst(count))
        return unsafe Completion(
            tag: tag,
            result: Int32(count),
            hasMore: hasMore,
            bufferIndex: index,
            bytes: bytes
        )
    }

    private func completeWritable(of socket: VirtualSocket) {
        guard let tag = socket.waitingForWritable, socket.isWritable else { return }
        socket.waitingForWritable = nil
        end(tag, of: socket)
        let isBroken = socket.isShut || socket.brokenBy != nil
        batch.append(Completion(withoutBytes: tag, isBroken ? POLLHUP | POLLERR : POLLOUT))
    }

    /// A completion of the connection that was just closed, as if the kernel were late with it.
    func postLateCompletion(_ tag: OperationTag) {
        after(UInt64(random.upTo(3)) * 1_000_000) { [self] in
            let (index, bytes) = unsafe lend([0x81, 0x80, 1, 2, 3, 4])
            unsafe batch.append(
                Completion(
                    tag: tag,
                    result: 6,
                    hasMore: random.chance(50),
                    bufferIndex: index,
                    bytes: bytes
                )
            )
        }
    }
}
