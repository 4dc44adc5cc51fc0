/// A permutation of `0..<count` of which every element is found by itself: nothing is stored, however many there are, and
/// a run goes on from any step.
///
/// A Feistel network permutes as many numbers as the least power of four from `count` on; one that falls outside goes
/// through once more, until it falls inside. One element takes four rounds, at most four times on average.
/// - SeeAlso: Black and Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002.
struct ShuffledOrder {
  private let count: UInt64
  /// The bits of either half of a number.
  private let halfBits: UInt64
  /// One a round.
  private let keys: [UInt64]

  init(count: Int, using generator: inout some RandomNumberGenerator) {
    self.count = UInt64(count)
    let bits = UInt64(Int.bitWidth - max(0, count - 1).leadingZeroBitCount)
    halfBits = max(1, (bits + 1) / 2)
    keys = (0..<4).map { _ in generator.next() }
  }

  /// The element at `index`, which is below the count.
  subscript(index: Int) -> Int {
    var number = UInt64(index)
    repeat { number = permuted(number) } while number >= count
    return Int(number)
  }

  private func permuted(_ number: UInt64) -> UInt64 {
    let mask: UInt64 = (1 << halfBits) - 1
    var (left, right) = (number >> halfBits, number & mask)
    for key in keys { (left, right) = (right, left ^ (Self.mixed(right ^ key) & mask)) }
    return left << halfBits | right
  }

  /// Every bit of the result depends on all of `bits`: the finalizer of SplitMix64.
  private static func mixed(_ bits: UInt64) -> UInt64 {
    var bits = bits
    bits = (bits ^ bits >> 30) &* 0xBF58_476D_1CE4_E5B9
    bits = (bits ^ bits >> 27) &* 0x94D0_49BB_1331_11EB
    return bits ^ bits >> 31
  }
}
