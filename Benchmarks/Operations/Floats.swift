import NanoTensor

/// Floats in memory aligned as tensors are.
final class Floats {
  let start: UnsafeMutablePointer<Float>

  /// Uniform on [-1, 1), by a fixed seed.
  init(random count: Int, seed: UInt64) {
    start = Self.allocate(count)
    var generator = RandomGenerator(seed: seed)
    for i in 0..<count { start[i] = .random(in: -1..<1, using: &generator) }
  }

  init(repeating value: Float, count: Int) {
    start = Self.allocate(count)
    start.update(repeating: value, count: count)
  }

  deinit { start.deallocate() }

  private static func allocate(_ count: Int) -> UnsafeMutablePointer<Float> {
    let bytes = UnsafeMutableRawPointer.allocate(byteCount: count * MemoryLayout<Float>.stride, alignment: 64)
    return bytes.initializeMemory(as: Float.self, repeating: 0, count: count)
  }
}
