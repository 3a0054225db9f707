// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// Names a value that an application keeps with each connection, and its type.
///
/// ```swift
/// enum User: WebSocketConnectionKey { typealias Value = String }
///
/// connection[User.self] = "ada"
/// if let name = connection[User.self] { connection.sendUTF("hello \(name)") }
/// ```
public protocol WebSocketConnectionKey {
    /// What is kept under this key.
    associatedtype Value
}

extension WebSocketConnection {
    /// The value that is kept under a key; nil for none.
    ///
    /// It lives as long as the connection object: it is there in `onClose` as well.
    public subscript<Key: WebSocketConnectionKey>(_ key: Key.Type) -> Key.Value? {
        get { extras?.values[ObjectIdentifier(key)].flatMap { $0 as? Key.Value } }
        set {
            setExtra(newValue.map { $0 as Any }) { $0.values[ObjectIdentifier(key)] = $1 }
        }
    }
}
