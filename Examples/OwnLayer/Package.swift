// swift-tools-version: 6.2

import PackageDescription

let package = Package(
  name: "OwnLayer",
  platforms: [.macOS(.v26)],
  dependencies: [.package(name: "nano-kimi", path: "../..", traits: [])],
  targets: [
    .executableTarget(
      name: "own-layer",
      dependencies: [
        .product(name: "NanoLayers", package: "nano-kimi"),
        .product(name: "NanoOptim", package: "nano-kimi"),
      ],
      path: "Sources")
  ]
)
