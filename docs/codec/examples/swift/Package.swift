// swift-tools-version: 6.2
// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

// The sources of Apus: those that this example lies in, or the folder that APUS_PATH names. Your
// package names a version instead:
//     .package(url: "https://github.com/OWNER/apus", from: "0.1.0")
let apus = Context.environment["APUS_PATH"] ?? Context.packageDirectory + "/../../../.."

let package = Package(
    name: "frames",
    dependencies: [.package(name: "apus", path: apus)],
    targets: [
        .executableTarget(
            name: "frames",
            dependencies: [.product(name: "ApusCodec", package: "apus")]
        )
    ],
    swiftLanguageModes: [.v6]
)
