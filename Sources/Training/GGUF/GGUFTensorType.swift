internal import Foundation
internal import NanoTensor

/// How the numbers of a GGUF file's tensors lie in it.
public enum GGUFTensorType: String, CaseIterable, Hashable, Sendable {
  /// 32-bit floats.
  case f32
  /// IEEE halves.
  case f16
  /// The upper halves of 32-bit floats.
  case bf16
  /// Blocks of 32 numbers of a row, `x ≈ d q`: a half `d = max |x| / 127`, then 32 integers `q` of 8 bits.
  case q8_0

  /// How the format numbers it.
  var number: UInt32 {
    switch self {
    case .f32: 0
    case .f16: 1
    case .q8_0: 8
    case .bf16: 30
    }
  }

  /// How the format numbers a file that is mostly of it: `general.file_type`.
  var fileType: Int {
    switch self {
    case .f32: 0
    case .f16: 1
    case .q8_0: 7
    case .bf16: 32
    }
  }

  /// Numbers that are stored together; a row is a multiple of it.
  var blockSize: Int { self == .q8_0 ? 32 : 1 }

  /// Bytes of so many numbers.
  func byteCount(of count: Int) -> Int {
    switch self {
    case .f32: 4 * count
    case .f16, .bf16: 2 * count
    case .q8_0: count / 32 * 34
    }
  }

  /// Whether a number of this magnitude stays finite.
  func canHold(_ magnitude: Float) -> Bool {
    switch self {
    case .f32: magnitude.isFinite
    case .f16: Float(half: magnitude.halfBits).isFinite
    case .bf16: Float(upperHalf: magnitude.upperHalf).isFinite
    case .q8_0: Float(half: (magnitude / 127).halfBits).isFinite
    }
  }

  // MARK: Numbers and bytes

  /// - Precondition: ``canHold(_:)`` holds for all of them, and their count is a multiple of ``blockSize``.
  func encode(_ numbers: [Float]) -> Data {
    switch self {
    case .f32: numbers.withUnsafeBytes { Data($0) }
    case .f16: numbers.map { $0.halfBits.littleEndian }.withUnsafeBytes { Data($0) }
    case .bf16: numbers.map { $0.upperHalf.littleEndian }.withUnsafeBytes { Data($0) }
    case .q8_0: encodeBlocks(numbers)
    }
  }

  private func encodeBlocks(_ numbers: [Float]) -> Data {
    var data = Data(capacity: byteCount(of: numbers.count))
    for start in stride(from: 0, to: numbers.count, by: 32) {
      let block = numbers[start..<start + 32]
      let scale = block.reduce(0) { max($0, $1.magnitude) } / 127
      let inverse = scale > 0 && (1 / scale).isFinite ? 1 / scale : 0
      withUnsafeBytes(of: scale.halfBits.littleEndian) { data.append(contentsOf: $0) }
      for number in block {
        data.append(UInt8(bitPattern: Int8((number * inverse).rounded(.toNearestOrAwayFromZero))))
      }
    }
    return data
  }

  /// - Precondition: `bytes` are as many as ``byteCount(of:)`` says.
  func decode(_ bytes: Data, count: Int) -> [Float] {
    bytes.withUnsafeBytes { bytes in
      func word(_ offset: Int) -> UInt16 {
        UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
      }
      switch self {
      case .f32: return (0..<count).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
      case .f16: return (0..<count).map { Float(half: word(2 * $0)) }
      case .bf16: return (0..<count).map { Float(upperHalf: word(2 * $0)) }
      case .q8_0:
        return (0..<count).map { index in
          let (block, place) = index.quotientAndRemainder(dividingBy: 32)
          return Float(half: word(34 * block)) * Float(Int8(bitPattern: bytes[34 * block + 2 + place]))
        }
      }
    }
  }
}

extension Float {
  /// The upper 16 bits, the lower ones rounded to nearest even.
  fileprivate var upperHalf: UInt16 { UInt16((bitPattern + 0x7FFF + (bitPattern >> 16 & 1)) >> 16) }

  fileprivate init(upperHalf bits: UInt16) { self.init(bitPattern: UInt32(bits) << 16) }
}
