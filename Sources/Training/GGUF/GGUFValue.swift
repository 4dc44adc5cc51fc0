/// A value of a GGUF file's metadata. Whole numbers are written in 32 bits without a sign, others as 32-bit floats.
enum GGUFValue: Hashable, Sendable {
  case integer(Int)
  case number(Double)
  case boolean(Bool)
  case string(String)
  case strings([String])
  case integers([Int32])
  case numbers([Float])
  /// An array of another type, which nothing here reads.
  case otherArray

  /// How the format numbers its types.
  enum Kind: UInt32 {
    case uint8, int8, uint16, int16, uint32, int32, float32, boolean, string, array, uint64, int64, float64

    /// Bytes of one value; of a string or an array the fewest.
    var byteCount: Int {
      switch self {
      case .uint8, .int8, .boolean: 1
      case .uint16, .int16: 2
      case .uint32, .int32, .float32: 4
      case .uint64, .int64, .float64, .string: 8
      case .array: 12
      }
    }
  }
}
