// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol
import ApusSupervisor
import Logging

extension SupervisorDuties {
    /// What a supervisor does for workers that speak TLS: new keys for tickets now and then, and new
    /// certificates on HUP.
    ///
    /// It reads them before the workers do, so that what cannot be used is told once and reaches
    /// nobody, and workers that are forked later have the last that could.
    init(tls listeners: [TLSListener], keys: TicketKeys, logger: Logger) {
        self.init(
            reload: {
                var isReloaded = true
                for listener in listeners {
                    do {
                        try listener.reload()
                    } catch {
                        logger.error("the certificates stay as they were: \(error)")
                        isReloaded = false
                    }
                }
                return isReloaded
            },
            periodic: listeners.map(\.ticketRotation).min().map { rotation in
                (
                    rotation.nanoseconds,
                    {
                        let result = keys.rotate()
                        if result >= 0 {
                            logger.debug("new ticket keys")
                        } else {
                            logger.error(
                                "no new ticket keys: the system refuses getrandom (\(result))"
                            )
                        }
                    }
                )
            }
        )
    }
}
