internal import Foundation
internal import NanoPreconditions

/// Philox 4×32-10, a counter-based generator: its n-th block of output is a function of (key, n) alone, so
/// it can jump anywhere, be split into independent streams, and be saved in two integers.
///
/// - SeeAlso: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
public struct RandomGenerator: RandomNumberGenerator, Hashable, Sendable, Codable {
  private let key: UInt64
  /// Words handed out so far: the whole state beside the key.
  private var position: UInt64 = 0
  /// The block that `position` lies in.
  private var block = SIMD4<UInt32>()

  private enum CodingKeys: String, CodingKey { case key, position }

  /// The stream of a seed.
  public init(seed: UInt64) { key = seed }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    key = try container.decode(UInt64.self, forKey: .key)
    position = try container.decode(UInt64.self, forKey: .position)
    if position % 4 != 0 {
      block = Philox.block(counter: SIMD4(position / 4), key: key)
    }
  }

  /// An independent stream named by `label`: the same label gives the same stream, whatever was drawn.
  public func split(_ label: UInt64) -> RandomGenerator {
    // Children come from counters that `next` never reaches (their upper half is not zero).
    let child = Philox.block(
      counter: SIMD4(UInt32(truncatingIfNeeded: label), UInt32(label >> 32), 0x5EED, 1), key: key)
    return RandomGenerator(seed: UInt64(child[0]) | UInt64(child[1]) << 32)
  }

  /// 32 random bits.
  public mutating func nextWord() -> UInt32 {
    let lane = Int(position % 4)
    if lane == 0 { block = Philox.block(counter: SIMD4(position / 4), key: key) }
    position += 1
    return block[lane]
  }

  public mutating func next() -> UInt64 {
    let low = UInt64(nextWord())
    return low | UInt64(nextWord()) << 32
  }

  /// Uniform on [0, 1) in steps of 2⁻²⁴.
  public mutating func nextUniform() -> Float { Float(nextWord() >> 8) * 0x1p-24 }

  /// Uniform below `bound`: the upper half of a 64-bit product, whose bias is below 2⁻³² for any bound
  /// below 2³².
  /// - Precondition: `bound` is positive.
  public mutating func nextInt(below bound: Int) -> Int {
    checkPrecondition(bound > 0, "nextInt(below: \(bound))")
    return Int(next().multipliedFullWidth(by: UInt64(bound)).high)
  }

  /// Standard normal, by the Box-Muller transform in Double; two words a value.
  public mutating func nextNormal() -> Float {
    let radius = 1 - Double(nextWord()) * 0x1p-32  // (0, 1], so the logarithm is finite
    let angle = Double(nextWord()) * 0x1p-32
    return Float((-2 * log(radius)).squareRoot() * cos(2 * Double.pi * angle))
  }
}

/// The block function.
enum Philox {
  static func block(counter: SIMD4<UInt32>, key: UInt64) -> SIMD4<UInt32> {
    var (c0, c1, c2, c3) = (counter[0], counter[1], counter[2], counter[3])
    var (k0, k1) = (UInt32(truncatingIfNeeded: key), UInt32(key >> 32))
    for _ in 0..<10 {
      let first = UInt64(0xD251_1F53) * UInt64(c0)
      let second = UInt64(0xCD9E_8D57) * UInt64(c2)
      (c0, c1, c2, c3) = (
        UInt32(second >> 32) ^ c1 ^ k0, UInt32(truncatingIfNeeded: second),
        UInt32(first >> 32) ^ c3 ^ k1, UInt32(truncatingIfNeeded: first)
      )
      k0 &+= 0x9E37_79B9
      k1 &+= 0xBB67_AE85
    }
    return SIMD4(c0, c1, c2, c3)
  }
}

extension SIMD4 where Scalar == UInt32 {
  fileprivate init(_ counter: UInt64) {
    self.init(UInt32(truncatingIfNeeded: counter), UInt32(counter >> 32), 0, 0)
  }
}
