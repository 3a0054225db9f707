// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import CApusSystem
import Glibc

package enum WallClock {
    /// Now, as RFC 3339 has it, in UTC and to the second.
    package static var timestamp: String {
        var seconds = time_t(apus_clock_wall())
        var parts = unsafe tm()
        unsafe gmtime_r(&seconds, &parts)
        return unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 32) { text in
            guard let start = text.baseAddress else { return "" }
            unsafe strftime(start, text.count, "%Y-%m-%dT%H:%M:%SZ", &parts)
            return unsafe String(cString: start)
        }
    }
}
