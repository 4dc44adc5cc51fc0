// swift-tools-version: 6.1

import PackageDescription

let package = Package(
  name: "MuonOnly",
  platforms: [.macOS(.v15)],
  dependencies: [.package(name: "nano-kimi", path: "../..")],
  targets: [
    .executableTarget(
      name: "muon-only", dependencies: [.product(name: "NanoOptim", package: "nano-kimi")],
      path: "Sources")
  ]
)
