// swift-tools-version: 6.1

import PackageDescription

let package = Package(
  name: "LayersWithOptim",
  platforms: [.macOS(.v15)],
  dependencies: [.package(name: "nano-kimi", path: "../..")],
  targets: [
    .executableTarget(
      name: "layers-with-optim",
      dependencies: [
        .product(name: "NanoLayers", package: "nano-kimi"),
        .product(name: "NanoOptim", package: "nano-kimi"),
      ],
      path: "Sources")
  ]
)
