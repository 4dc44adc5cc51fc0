// swift-tools-version: 6.1

import PackageDescription

let package = Package(
  name: "MoEOnly",
  platforms: [.macOS(.v15)],
  dependencies: [.package(name: "nano-kimi", path: "../..")],
  targets: [
    .executableTarget(
      name: "moe-only", dependencies: [.product(name: "NanoLayers", package: "nano-kimi")],
      path: "Sources")
  ]
)
