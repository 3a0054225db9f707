// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import CApusRing
import Glibc

/// What this kernel, as this process may use it, offers to a ring.
///
/// Each feature was tried: distributions carry features to older kernels, and seccomp profiles
/// and sysctls take them away from newer ones.
package struct RingReport: Equatable, Sendable {
    /// As `uname -r` prints it; for people alone.
    package var kernelRelease: String

    /// What `io_uring_setup` failed with, positive; 0: it works.
    package var setupErrno: Int32 = 0

    /// What a ring as the server makes it failed with, positive; 0: it works.
    package var ringErrno: Int32 = 0

    package var deferTaskrun = true
    package var multishotReceive = true
    package var bufferRing = true
    package var cqeSkip = true
    package var connect = true

    /// The server does without these three, a little slower.
    package var incrementalBuffers = true
    package var noSQArray = true
    package var registeredRing = true

    /// A kernel with everything, which a test takes from.
    package init(kernelRelease: String) {
        self.kernelRelease = kernelRelease
    }

    /// Whether the server can run on it.
    package var isSufficient: Bool { refusal == nil }

    /// Why the server cannot run on it and what helps, a sentence each; nil where it can.
    package var refusal: (cause: String, cure: String)? {
        if setupErrno != 0 {
            return Self.refusal(errno: setupErrno)
        }
        let missing = [
            (deferTaskrun, "IORING_SETUP_DEFER_TASKRUN"),
            (cqeSkip, "IORING_FEAT_CQE_SKIP"),
        ].first { !$0.0 }
        if let (_, feature) = missing {
            return tooOld(for: feature)
        }
        if ringErrno != 0, ringErrno != EINVAL {
            return Self.refusal(errno: ringErrno)
        }
        if !bufferRing {
            return tooOld(for: "IORING_REGISTER_PBUF_RING")
        }
        if !multishotReceive {
            return tooOld(for: "IORING_RECV_MULTISHOT")
        }
        if !connect {
            return tooOld(for: "IORING_OP_CONNECT")
        }
        return nil
    }

    private func tooOld(for feature: String) -> (cause: String, cure: String) {
        ("Linux \(kernelRelease) lacks \(feature).", "Use Linux 6.1 or later.")
    }

    private static func refusal(errno: Int32) -> (cause: String, cure: String) {
        let allow =
            "in a container, allow io_uring_setup, io_uring_enter and io_uring_register "
            + "in the seccomp profile."
        return switch errno {
        case ENOSYS:
            (
                "This kernel is without io_uring, or a seccomp profile hides it (ENOSYS).",
                "Use Linux 6.1 or later; \(allow)"
            )
        case EPERM, EACCES:
            (
                "The sysctl kernel.io_uring_disabled, a seccomp profile or a security module "
                    + "forbids io_uring (\(errno == EPERM ? "EPERM" : "EACCES")).",
                "Set kernel.io_uring_disabled to 0; \(allow)"
            )
        case ENOMEM:
            (
                "The memory for a ring cannot be had or locked (ENOMEM).",
                "Raise the limit of locked memory (ulimit -l, LimitMEMLOCK=) or free memory."
            )
        case EMFILE:
            (
                "This process has no descriptor left for a ring (EMFILE).",
                "Raise the limit of open files (ulimit -n, LimitNOFILE=)."
            )
        case ENFILE:
            (
                "The system has no open file left for a ring (ENFILE).",
                "Raise the sysctl fs.file-max."
            )
        default:
            (
                "A ring cannot be made (error \(errno)).",
                "Run `apus check` and look the error number up in io_uring_setup(2)."
            )
        }
    }

    /// Tries everything once with rings of its own: `apus_ring_probe`.
    package static func inspect() -> RingReport {
        var found = apus_ring_probe_report()
        unsafe apus_ring_probe(&found)
        var report = RingReport(kernelRelease: release())
        report.setupErrno = found.setup_error
        report.ringErrno = found.ring_error
        report.deferTaskrun = found.has_defer_taskrun
        report.multishotReceive = found.has_multishot_receive
        report.connect = found.has_connect
        report.bufferRing = found.has_buffer_ring
        report.cqeSkip = found.has_cqe_skip
        report.incrementalBuffers = found.has_incremental_buffers
        report.noSQArray = found.has_no_sqarray
        report.registeredRing = found.has_registered_ring
        return report
    }

    private static func release() -> String {
        var name = utsname()
        guard unsafe uname(&name) == 0 else {
            return "of unknown release"
        }
        return unsafe withUnsafeBytes(of: name.release) { bytes in
            unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
    }
}
