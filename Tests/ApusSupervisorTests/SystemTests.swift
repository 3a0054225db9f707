// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import CApusSystem
import Glibc
import Testing

@Suite struct SystemTests {
    @Test func `time is written as JavaScript does`() async {
        // In a process of its own, as the time zone is the process's.
        await #expect(processExitsWith: .success) {
            func text(_ seconds: Int64, zone: String) -> String {
                unsafe setenv("TZ", zone, 1)
                tzset()
                var bytes = [CChar](repeating: 1, count: 64)
                unsafe apus_clock_text(seconds, &bytes, bytes.count)
                return String(
                    decoding: bytes.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)),
                    as: UTF8.self
                )
            }
            let point: Int64 = 1_795_410_735
            #expect(text(point, zone: "UTC0") == "Mon Nov 23 2026 05:12:15 GMT+0000 (UTC)")
            #expect(text(point, zone: "CET-1") == "Mon Nov 23 2026 06:12:15 GMT+0100 (CET)")
            #expect(text(point, zone: "NST3:30") == "Mon Nov 23 2026 01:42:15 GMT-0330 (NST)")
            #expect(text(0, zone: "UTC0") == "Thu Jan 01 1970 00:00:00 GMT+0000 (UTC)")
        }
    }

    @Test func `text is cut to its buffer`() {
        var bytes = [CChar](repeating: 1, count: 8)
        unsafe apus_clock_text(0, &bytes, 4)
        #expect(bytes[3] == 0)
        #expect(bytes[4...].allSatisfy { $0 == 1 })
    }

    @Test func `memory is filled with random bytes to its end and not beyond`() {
        for count in [0, 1, 255, 257, 100_000] {
            // Where 16 fills leave a byte 0, it was not filled: a chance of 10^-33 for all of them.
            var isFilled = [Bool](repeating: false, count: count)
            for _ in 0..<16 {
                var bytes = [UInt8](repeating: 0, count: count + 8)
                #expect(unsafe apus_random_fill(&bytes, count) == 0)
                for index in 0..<count where bytes[index] != 0 { isFilled[index] = true }
                #expect(bytes[count...].allSatisfy { $0 == 0 })
            }
            #expect(isFilled.allSatisfy { $0 })
        }
    }

    @Test func `limits can be read`() throws {
        var descriptors: UInt64 = 0
        #expect(unsafe apus_limit_descriptors(&descriptors) == 0)
        #expect(descriptors > 2)
        #expect(apus_limit_backlog() > 0)
        #expect(apus_process_cpu_count() >= 1)
    }

    @Test func `limit of descriptors goes up to the hard one`() async {
        await #expect(processExitsWith: .success) {
            var hard: UInt64 = 0
            _ = unsafe apus_limit_descriptors(&hard)
            var limit = rlimit(rlim_cur: 64, rlim_max: rlim_t(hard))
            try #require(unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
            try #require(apus_limit_raise_descriptors() == 0)
            try #require(unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
            #expect(UInt64(limit.rlim_cur) == hard)
        }
    }

    @Test func `monotonic clock goes forward`() {
        let before = apus_clock_monotonic()
        #expect(apus_clock_monotonic() >= before)
    }

    @Test func `poll finds the bytes and the end of a pipe`() throws {
        var pipe = apus_pipe()
        try #require(unsafe apus_pipe_open(&pipe) == 0)
        defer { apus_descriptor_close(pipe.reader) }
        var entry = apus_poll_readable(pipe.reader)
        #expect(unsafe apus_poll(&entry, 1, 0) == 0)
        #expect(entry.found == 0)

        var byte: UInt8 = 7
        #expect(unsafe apus_descriptor_read(pipe.reader, &byte, 1) == -Int64(EAGAIN))
        #expect(unsafe apus_descriptor_write(pipe.writer, &byte, 1) == 1)
        #expect(unsafe apus_poll(&entry, 1, -1) == 1)
        #expect(entry.found != 0)
        #expect(unsafe apus_descriptor_read(pipe.reader, &byte, 1) == 1)

        apus_descriptor_close(pipe.writer)
        #expect(unsafe apus_poll(&entry, 1, -1) == 1)
        #expect(unsafe apus_descriptor_read(pipe.reader, &byte, 1) == 0)
    }

    @Test func `descriptors are closed on exec`() throws {
        var pipe = apus_pipe()
        try #require(unsafe apus_pipe_open(&pipe) == 0)
        let descriptors = [
            pipe.reader, pipe.writer, apus_event_open(),
            apus_signals_open(apus_signals_of(SIGUSR2)), apus_process_open(getpid()),
        ]
        defer { descriptors.forEach(apus_descriptor_close) }
        #expect(descriptors.allSatisfy { $0 >= 0 })
        #expect(descriptors.allSatisfy { fcntl($0, F_GETFD) == FD_CLOEXEC })
    }
}
