// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusRing
import Glibc
import Testing

@Suite struct SetUp {
    @Test func `ring has the buffers that it was asked for`() throws {
        let best = try Ring().features
        #expect(best.submissionEntries == 1024)
        #expect(best.completionEntries == 32768)
        #expect(best.bufferByteCount == (best.incrementalBuffers ? 131_072 : 65_536))
        #expect(best.bufferCount == (best.incrementalBuffers ? 8 : 32))
        let plain = try Ring(configuration: .init(incrementalBuffers: false)).features
        #expect(!plain.incrementalBuffers)
        #expect(plain.bufferCount == 32)
        #expect(plain.bufferByteCount == 65_536)
    }

    @Test(arguments: [
        RingConfiguration(bufferCount: 3),
        RingConfiguration(bufferCount: 65536),
        RingConfiguration(bufferByteCount: 1 << 31),
    ])
    func `buffers outside their limits are refused`(configuration: RingConfiguration) {
        #expect(throws: RingError(operation: "io_uring_register", errno: EINVAL)) {
            _ = try Ring(configuration: configuration)
        }
    }

    @Test func `ring is not inherited by a program that is executed`() throws {
        let ring = try Ring(configuration: BufferMode.plain.tiny())
        var flags: [Int32] = []
        for descriptor in Int32(0)..<4096 {
            var target = [CChar](repeating: 0, count: 64)
            let count = unsafe readlink("/proc/self/fd/\(descriptor)", &target, target.count)
            let name = String(
                decoding: target.prefix(max(0, count)).map { UInt8($0) },
                as: UTF8.self
            )
            if name.contains("io_uring") {
                flags.append(fcntl(descriptor, F_GETFD))
            }
        }
        // Rings of other tests may close in between; those that are there are close-on-exec.
        #expect(!flags.isEmpty)
        #expect(flags.allSatisfy { $0 == -1 || $0 & FD_CLOEXEC != 0 })
        #expect(try ring.wait(nanosecondsMax: 0) == 0)
    }

    @Test(arguments: [nil, true, false])
    func `kernel passes the self-test again and again on one ring`(isIncremental: Bool?) throws {
        let ring = try Ring(configuration: .init(incrementalBuffers: isIncremental))
        for _ in 0..<3 {
            try ring.selfTest()
        }
        #expect(ring.lentBufferCount == 0)
        #expect(try ring.wait(nanosecondsMax: 0) == 0)
    }

    @Test(arguments: BufferMode.allCases)
    func `self-test gets by with tiny queues and buffers`(mode: BufferMode) throws {
        let ring = try Ring(
            configuration: .init(
                submissionEntries: 1,
                completionEntries: 2,
                bufferCount: 2,
                bufferByteCount: 8,
                incrementalBuffers: mode == .incremental
            )
        )
        try ring.selfTest()
        #expect(ring.lentBufferCount == 0)
    }

    @Test func `self-test that has no time fails and leaves the ring clean`() throws {
        let ring = try Ring(configuration: BufferMode.plain.tiny())
        #expect(throws: SelfTestFailure.self) {
            try ring.selfTest(nanosecondsMax: 0)
        }
        try ring.selfTest()
    }
}

@Suite struct Reports {
    @Test func `this kernel suffices`() {
        let report = RingReport.inspect()
        #expect(report.isSufficient)
        #expect(report.refusal == nil)
        #expect(!report.kernelRelease.isEmpty)
        #expect(report.deferTaskrun && report.cqeSkip)
        #expect(report.bufferRing && report.multishotReceive && report.connect)
    }

    @Test(arguments: [
        (ENOSYS, "ENOSYS", "seccomp"), (EPERM, "EPERM", "kernel.io_uring_disabled"),
        (EACCES, "EACCES", "kernel.io_uring_disabled"), (ENOMEM, "ENOMEM", "locked memory"),
        (EMFILE, "EMFILE", "ulimit -n"), (ENFILE, "ENFILE", "fs.file-max"), (EIO, "5", "io_uring"),
    ])
    func `refused system call is told with its cause and cure`(
        errno: Int32,
        cause: String,
        cure: String
    ) throws {
        var report = RingReport(kernelRelease: "6.1.0")
        report.setupErrno = errno
        #expect(!report.isSufficient)
        let refusal = try #require(report.refusal)
        #expect(refusal.cause.contains(cause))
        #expect(refusal.cure.contains(cure))

        report.setupErrno = 0
        report.ringErrno = errno
        #expect(!report.isSufficient)
    }

    @Test(arguments: [
        (lacking { $0.deferTaskrun = false }, "DEFER_TASKRUN"),
        (lacking { $0.cqeSkip = false }, "CQE_SKIP"),
        (lacking { $0.bufferRing = false }, "PBUF_RING"),
        (lacking { $0.multishotReceive = false }, "RECV_MULTISHOT"),
        (lacking { $0.connect = false }, "OP_CONNECT"),
    ])
    func `kernel without what the server needs is refused`(
        report: RingReport,
        name: String
    ) throws {
        let refusal = try #require(report.refusal)
        #expect(refusal.cause.contains(name))
        #expect(refusal.cause.contains("5.15.0"))
        #expect(refusal.cure.contains("6.1"))
    }

    @Test func `kernel without the conveniences suffices`() {
        let report = lacking {
            $0.incrementalBuffers = false
            $0.noSQArray = false
            $0.registeredRing = false
        }
        #expect(report.isSufficient)
    }
}

private func lacking(_ change: (inout RingReport) -> Void) -> RingReport {
    var report = RingReport(kernelRelease: "5.15.0")
    change(&report)
    return report
}

@Suite struct Verdicts {
    @Test(arguments: [
        ([EMFILE, ENFILE, ENOBUFS, ENOMEM, EIO], Verdict.shed),
        ([ECONNABORTED, EINTR, EAGAIN, EPERM, EPROTO, ECANCELED], .retry),
        ([EBADF, EINVAL, ENOTSOCK], .fatal),
    ])
    func `error of an accept asks for`(errnos: [Int32], verdict: Verdict) {
        for errno in errnos { #expect(Verdict.ofAccept(errno: errno) == verdict, "\(errno)") }
    }

    @Test(arguments: [
        ([ECONNREFUSED, ETIMEDOUT, ENETUNREACH, EACCES, ENOENT, EAGAIN], Verdict.closeConnection),
        ([EBADF, ENOTSOCK, EISCONN, EALREADY], .fatal),
    ])
    func `error of a connect asks for`(errnos: [Int32], verdict: Verdict) {
        for errno in errnos { #expect(Verdict.ofConnect(errno: errno) == verdict, "\(errno)") }
    }

    @Test(arguments: [
        ([ENOBUFS, EINTR, EAGAIN], Verdict.retry),
        ([ECONNRESET, ETIMEDOUT, EPIPE, ENOTCONN, ECANCELED, EIO, EBADF], .closeConnection),
    ])
    func `error of a receive asks for`(errnos: [Int32], verdict: Verdict) {
        for errno in errnos { #expect(Verdict.ofReceive(errno: errno) == verdict, "\(errno)") }
    }

    @Test(arguments: [
        ([EAGAIN, ENOBUFS, EINTR], Verdict.retry),
        ([EPIPE, ECONNRESET, ETIMEDOUT, ENOTCONN, EHOSTUNREACH, EBADF], .closeConnection),
    ])
    func `error of a send asks for`(errnos: [Int32], verdict: Verdict) {
        for errno in errnos { #expect(Verdict.ofSend(errno: errno) == verdict, "\(errno)") }
    }
}
