internal import Foundation

/// Machine code of kernels on disk, under a hash of all that it depends on. A file that is damaged, or a folder
/// that cannot be written, costs a compilation and nothing else.
struct KernelCache {
  private let folder: String

  /// - Parameter folder: nil for the user's cache.
  init(folder: String?) { self.folder = folder ?? Self.usersFolder }

  private static var usersFolder: String {
    let environment = ProcessInfo.processInfo.environment
    func variable(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
    let root =
      variable("NANO_KIMI_CACHE") ?? variable("XDG_CACHE_HOME").map { $0 + "/nano-kimi" }
      ?? (variable("HOME") ?? NSTemporaryDirectory()) + "/.cache/nano-kimi"
    return root + "/kernels"
  }

  /// What code is filed under: a hash of its inputs, one behind the other.
  func key(of inputs: [String]) -> String {
    let bytes = inputs.joined(separator: "\u{0}").utf8
    return hexadecimal(hash(bytes, seed: 0)) + hexadecimal(hash(bytes, seed: 1))
  }

  /// The code, if it is there and whole.
  func code(_ key: String) -> [UInt8]? {
    guard let data = FileManager.default.contents(atPath: path(of: key)), data.count > 16 else { return nil }
    let code = [UInt8](data.dropFirst(16))
    return Data(hexadecimal(hash(code, seed: 0)).utf8) == data.prefix(16) ? code : nil
  }

  func store(_ code: [UInt8], _ key: String) {
    try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let data = Data(hexadecimal(hash(code, seed: 0)).utf8) + Data(code)
    try? data.write(to: URL(fileURLWithPath: path(of: key)), options: .atomic)
  }

  private func path(of key: String) -> String { folder + "/" + key + ".cubin" }

  /// FNV-1a of 64 bits, begun with the seed's byte.
  private func hash(_ bytes: some Sequence<UInt8>, seed: UInt8) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    hash = (hash ^ UInt64(seed)) &* 0x100_0000_01b3
    for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return hash
  }

  private func hexadecimal(_ value: UInt64) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
