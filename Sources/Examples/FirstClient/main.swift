// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Apus

try WorkerActor.run {
    let client = WebSocketClient()
    let connection = try await client.open("ws://127.0.0.1:3001/", protocols: ["example"])
    connection.sendUTF("hello")
    for try await message in connection.messages {
        let text = message.utf8Data ?? ""
        print(text)
        if text.hasSuffix("hello") { connection.close() }
    }
}
