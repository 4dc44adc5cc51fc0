// swift-tools-version: 6.2

import PackageDescription

let package = Package(
  name: "MoEOnly",
  platforms: [.macOS(.v26)],
  dependencies: [.package(name: "nano-kimi", path: "../..", traits: [])],
  targets: [
    .executableTarget(
      name: "moe-only", dependencies: [.product(name: "NanoLayers", package: "nano-kimi")],
      path: "Sources")
  ]
)
