// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

public import CApusCodec

/// Which end of a connection this is.
public enum Role: Hashable, Sendable {
    /// Requires masks on what it receives and sends none, RFC 6455 §5.1.
    case server
    /// Refuses masks on what it receives and sends them, RFC 6455 §5.1.
    case client

    @inlinable var cRole: apus_role {
        switch self {
        case .server: APUS_SERVER
        case .client: APUS_CLIENT
        }
    }
}
