internal import Foundation

/// A linear axis: a range of values, ticks at round ones, and where each lies on the paper.
struct Axis {
  let range: ClosedRange<Double>
  let ticks: [Double]
  private let decimals: Int

  /// - Parameter count: about how many ticks.
  init(_ range: ClosedRange<Double>, tickCount count: Int) {
    // Never so small against the values that ticks could not be counted.
    let largest = max(1, range.lowerBound.magnitude, range.upperBound.magnitude)
    let span = max(range.upperBound - range.lowerBound, 1e-9 * largest)
    let magnitude = pow(10, floor(log10(span / Double(count))))
    let step =
      [1, 2, 2.5, 5, 10].map { $0 * magnitude }.first { span / $0 <= Double(count) } ?? 10
      * magnitude
    self.range = range
    let first = Int((range.lowerBound / step).rounded(.up))
    // A tick at most a hundredth of a step beyond the end is at the end to the eye: runs end with step 9,999.
    let last = Int((range.upperBound / step + 0.01).rounded(.down))
    ticks = first <= last ? (first...last).map { Double($0) * step } : []
    let digits = max(0, Int((-log10(step)).rounded(.up)))
    // A step of 2.5 needs one digit more than its magnitude.
    decimals =
      (step * pow(10, Double(digits))).truncatingRemainder(dividingBy: 1) > 1e-6
      ? digits + 1 : digits
  }

  /// From 0 at the lower end to 1 at the upper.
  func fraction(_ value: Double) -> Double {
    (value - range.lowerBound) / (range.upperBound - range.lowerBound)
  }

  /// In thousands where the axis reaches ten of them.
  func label(_ tick: Double) -> String {
    guard let last = ticks.last, last >= 10_000, tick != 0 else {
      return String(format: "%.\(decimals)f", tick)
    }
    return String(format: "%gk", tick / 1000)
  }
}
