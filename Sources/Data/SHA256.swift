internal import CNanoData

/// The SHA-256 hash, for checking downloads and naming cache entries (FIPS 180-4).
public struct SHA256 {
  private var state: SIMD8<UInt32> = [
    0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab,
    0x5be0_cd19,
  ]
  private var pending: [UInt8] = []
  private var byteCount: UInt64 = 0

  /// The hash of nothing so far.
  public init() {}

  /// The hash of some bytes, as 64 hexadecimal digits.
  public static func hexadecimal(of bytes: some Sequence<UInt8>) -> String {
    var hash = SHA256()
    hash.update(Array(bytes))
    return hash.finalized()
  }

  /// Adds bytes behind those that are hashed already.
  public mutating func update(_ bytes: [UInt8]) {
    bytes.withUnsafeBytes { update($0) }
  }

  /// The same with bytes where they lie.
  public mutating func update(_ bytes: UnsafeRawBufferPointer) {
    byteCount += UInt64(bytes.count)
    var start = 0
    if !pending.isEmpty {
      start = min(64 - pending.count, bytes.count)
      pending += bytes[..<start]
      guard pending.count == 64 else { return }
      pending.withUnsafeBytes { add($0) }
      pending.removeAll(keepingCapacity: true)
    }
    let end = bytes.count - (bytes.count - start) % 64
    add(UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
    pending += bytes[end...]
  }

  /// The hash of everything so far.
  public consuming func finalized() -> String {
    let bits = byteCount * 8
    var padding: [UInt8] = [0x80]
    padding += Array(repeating: 0, count: (119 - pending.count) % 64)
    padding += (0..<8).map { UInt8(truncatingIfNeeded: bits >> (56 - 8 * $0)) }
    update(padding)
    return state.indices.map { index in
      let digits = String(state[index], radix: 16)
      return String(repeating: "0", count: 8 - digits.count) + digits
    }.joined()
  }

  /// Adds whole blocks of 64 bytes.
  private mutating func add(_ blocks: UnsafeRawBufferPointer) {
    guard let bytes = blocks.baseAddress else { return }
    withUnsafeMutableBytes(of: &state) { state in
      nk_sha256_add(state.bindMemory(to: UInt32.self).baseAddress, bytes, blocks.count / 64)
    }
  }
}
