internal import Foundation

/// Student's t distribution.
/// - SeeAlso: Abramowitz and Stegun, 1964, 26.7.
struct StudentDistribution {
  /// ν, positive.
  let degreesOfFreedom: Double

  /// P(|T| > |t|) = I_x(ν/2, 1/2) with x = ν / (ν + t²).
  func twoSidedTail(_ t: Double) -> Double {
    guard t.isFinite else { return 0 }
    return regularizedIncompleteBeta(
      degreesOfFreedom / (degreesOfFreedom + t * t), degreesOfFreedom / 2, 0.5)
  }

  /// The t > 0 with P(|T| > t) = `tail`, for a tail between 0 and 1, to the last digits.
  func criticalValue(twoSidedTail tail: Double) -> Double {
    var (low, high) = (0.0, 1.0)
    while twoSidedTail(high) > tail { (low, high) = (high, 2 * high) }
    for _ in 0..<200 where high > low.nextUp {
      let middle = low + (high - low) / 2
      if twoSidedTail(middle) > tail { low = middle } else { high = middle }
    }
    return high
  }
}

/// I_x(a, b), by Lentz's evaluation of its continued fraction.
/// - SeeAlso: Abramowitz and Stegun, 1964, 26.5.8.
private func regularizedIncompleteBeta(_ x: Double, _ a: Double, _ b: Double) -> Double {
  if x <= 0 || x >= 1 { return x <= 0 ? 0 : 1 }
  // The fraction converges fast on this side of the mean; I_x(a, b) = 1 - I_{1-x}(b, a).
  if x > (a + 1) / (a + b + 2) { return 1 - regularizedIncompleteBeta(1 - x, b, a) }
  let logGammas: Double = lgamma(a + b) - lgamma(a) - lgamma(b)
  let logarithm: Double = logGammas + a * log(x) + b * log1p(-x)
  let tiny = 1e-300
  func bounded(_ value: Double) -> Double { abs(value) < tiny ? tiny : value }
  var d = 1 / bounded(1 - (a + b) * x / (a + 1))
  var c = 1.0
  var fraction = d
  for m in 1...10_000 {
    let n = Double(m)
    let middle: Double = a + 2 * n
    let even: Double = n * (b - n) * x / ((middle - 1) * middle)
    let odd: Double = -(a + n) * (a + b + n) * x / (middle * (middle + 1))
    for numerator in [even, odd] {
      d = 1 / bounded(1 + numerator * d)
      c = bounded(1 + numerator / c)
      fraction *= d * c
    }
    if abs(d * c - 1) < 1e-16 { break }
  }
  return exp(logarithm) * fraction / a
}
