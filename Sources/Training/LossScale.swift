/// Dynamic loss scaling: gradients in half precision are kept away from zero by a factor on the loss, which is
/// halved when they overflow and doubled after a while without.
/// - SeeAlso: Micikevicius et al., 2017, arXiv:1710.03740.
public struct LossScale: Hashable, Sendable, Codable {
  /// The factor on the loss, a power of two.
  public private(set) var value: Float
  private var stepsSinceOverflow = 0
  /// Steps without overflow after which the scale doubles.
  public var growthInterval: Int

  /// A scale that begins with `initial`; both that and the interval are positive.
  public init(initial: Float = 65_536, growthInterval: Int = 2_000) {
    value = initial
    self.growthInterval = growthInterval
  }

  /// Whether a run can have come to it.
  var isPlausible: Bool {
    value > 0 && value.isFinite && value <= 0x1p101 && stepsSinceOverflow >= 0 && growthInterval > 0
      && stepsSinceOverflow <= growthInterval
  }

  /// After a step whose gradients were finite.
  mutating func didSucceed() {
    stepsSinceOverflow += 1
    guard stepsSinceOverflow >= growthInterval, value < 0x1p100 else { return }
    value *= 2
    stepsSinceOverflow = 0
  }

  /// After a step whose gradients overflowed.
  /// - Returns: false when the scale cannot shrink any further.
  mutating func didOverflow() -> Bool {
    stepsSinceOverflow = 0
    guard value > 0x1p-20 else { return false }
    value /= 2
    return true
  }
}
