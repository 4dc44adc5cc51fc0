/// IEEE half precision in 16 bits; spelled out, because Float16 does not exist on Intel Macs.
extension Float {
  /// From the bits of a half.
  package init(half bits: UInt16) {
    let (sign, exponent, fraction) = (bits >> 15, Int(bits >> 10 & 0x1F), Float(bits & 0x3FF))
    let magnitude: Float =
      switch exponent {
      case 0: fraction * 0x1p-24
      case 31: fraction == 0 ? .infinity : .nan
      default: Float(sign: .plus, exponent: exponent - 15, significand: 1 + fraction / 1024)
      }
    self = sign == 1 ? -magnitude : magnitude
  }

  /// The bits of the nearest half, of two equally near ones the even one.
  package var halfBits: UInt16 {
    let sign = UInt16(bitPattern >> 16) & 0x8000
    // From half a step above the largest half on, the nearest is infinity.
    guard magnitude < 65_520 else { return sign | (isNaN ? 0x7E00 : 0x7C00) }
    // Below the smallest normal half, steps are equal.
    if magnitude < 0x1p-14 { return sign | UInt16((magnitude * 0x1p24).rounded(.toNearestOrEven)) }
    // 13 bits of the fraction fall away; a carry goes on into the exponent, whose bias becomes 15 from 127.
    let bits = magnitude.bitPattern
    let rounded = (bits + 0xFFF + (bits >> 13 & 1)) >> 13
    return sign | UInt16(rounded - 112 << 10)
  }
}
