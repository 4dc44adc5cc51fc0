public import Foundation
public import NanoTensor

/// The safetensors file format: a JSON header of names, types, shapes and byte ranges, then raw
/// little-endian data. Only 32-bit floats are read and written.
public enum Safetensors {
  /// A file that cannot be read as safetensors.
  public struct FormatError: Error, Hashable, CustomStringConvertible {
    public let reason: String
    public var description: String { reason }
  }

  private struct Entry: Codable {
    var dtype: String
    var shape: [Int]
    var dataOffsets: [Int]

    enum CodingKeys: String, CodingKey {
      case dtype, shape
      case dataOffsets = "data_offsets"
    }
  }

  private enum HeaderValue: Codable {
    case tensor(Entry)
    case metadata([String: String])

    init(from decoder: any Decoder) throws {
      if let entry = try? Entry(from: decoder) {
        self = .tensor(entry)
      } else {
        self = .metadata(try [String: String](from: decoder))
      }
    }

    func encode(to encoder: any Encoder) throws {
      switch self {
      case .tensor(let entry): try entry.encode(to: encoder)
      case .metadata(let metadata): try metadata.encode(to: encoder)
      }
    }
  }

  /// The bytes of a file with the given tensors, in the given order.
  public static func encode(
    _ tensors: [(name: String, tensor: Tensor)], metadata: [String: String] = [:]
  ) -> Data {
    var header: [String: HeaderValue] =
      metadata.isEmpty ? [:] : ["__metadata__": .metadata(metadata)]
    var offset = 0
    for (name, tensor) in tensors {
      let end = offset + tensor.elementCount * 4
      header[name] = .tensor(
        Entry(dtype: "F32", shape: tensor.shape.dimensions, dataOffsets: [offset, end]))
      offset = end
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    // A dictionary of strings, integers and arrays always encodes.
    var json = try! encoder.encode(header)
    while json.count % 8 != 0 { json.append(UInt8(ascii: " ")) }  // data starts 8-byte aligned

    var data = Data(capacity: 8 + json.count + offset)
    withUnsafeBytes(of: UInt64(json.count).littleEndian) { data.append(contentsOf: $0) }
    data.append(json)
    for (_, tensor) in tensors {
      tensor.withElements { elements in
        elements.withUnsafeBytes { data.append(contentsOf: $0) }
      }
    }
    return data
  }

  /// The tensors of a file by name.
  /// - Throws: see ``decodeFile(_:)``.
  public static func decode(_ data: Data) throws(FormatError) -> [String: Tensor] {
    Dictionary(
      uniqueKeysWithValues: try decodeFile(data).tensors.map { ($0.name, $0.tensor) })
  }

  /// The tensors of a file, in the order of their data, and its metadata.
  /// - Throws: when the header is not JSON, a type is not F32, F16 or BF16, or a byte range is negative, overlaps
  ///   another, does not match its shape or leaves the file.
  public static func decodeFile(
    _ data: Data
  ) throws(FormatError) -> (tensors: [(name: String, tensor: Tensor)], metadata: [String: String]) {
    guard data.count >= 8 else {
      throw FormatError(reason: "only \(data.count) bytes, shorter than a safetensors header")
    }
    let headerLength = data.prefix(8).enumerated().reduce(UInt64(0)) {
      $0 | UInt64($1.element) << (8 * UInt64($1.offset))
    }
    guard headerLength <= UInt64(data.count - 8) else {
      throw FormatError(
        reason:
          "the header claims \(headerLength) bytes, the file has \(data.count - 8) after its length"
      )
    }
    let body = data.dropFirst(8 + Int(headerLength))
    let header: [String: HeaderValue]
    do {
      header = try JSONDecoder().decode(
        [String: HeaderValue].self, from: data.dropFirst(8).prefix(Int(headerLength)))
    } catch {
      throw FormatError(reason: "the header is not a safetensors JSON object")
    }
    var entries: [(name: String, entry: Entry, range: Range<Int>)] = []
    for (name, value) in header {
      guard case .tensor(let entry) = value else { continue }
      entries.append((name, entry, try byteRange(of: entry, name: name, bodyCount: body.count)))
    }
    entries.sort { ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound) }
    for (first, second) in zip(entries, entries.dropFirst())
    where first.range.upperBound > second.range.lowerBound {
      throw FormatError(reason: "tensors '\(first.name)' and '\(second.name)' overlap")
    }
    let tensors = entries.map { name, entry, range in
      (name, tensor(entry, bytes: body.dropFirst(range.lowerBound).prefix(range.count)))
    }
    guard case .metadata(let metadata)? = header["__metadata__"] else { return (tensors, [:]) }
    return (tensors, metadata)
  }

  private static func byteRange(
    of entry: Entry, name: String, bodyCount: Int
  ) throws(FormatError) -> Range<Int> {
    guard let type = ElementType(rawValue: entry.dtype) else {
      throw FormatError(
        reason: "tensor '\(name)' has type \(entry.dtype); only F32, F16 and BF16 are read")
    }
    var count = type.byteCount
    for extent in entry.shape {
      let (product, overflow) = count.multipliedReportingOverflow(by: extent)
      guard extent >= 0, extent <= Int(Int32.max), !overflow, entry.shape.count <= 4 else {
        throw FormatError(reason: "tensor '\(name)' has the impossible shape \(entry.shape)")
      }
      count = product
    }
    guard entry.dataOffsets.count == 2, entry.dataOffsets[0] >= 0,
      entry.dataOffsets[0] <= entry.dataOffsets[1], entry.dataOffsets[1] <= bodyCount
    else {
      throw FormatError(
        reason: "tensor '\(name)' lies at \(entry.dataOffsets) of \(bodyCount) data bytes")
    }
    guard entry.dataOffsets[1] - entry.dataOffsets[0] == count else {
      throw FormatError(
        reason: "tensor '\(name)' of shape \(entry.shape) needs \(count) bytes, its range has "
          + "\(entry.dataOffsets[1] - entry.dataOffsets[0])")
    }
    return entry.dataOffsets[0]..<entry.dataOffsets[1]
  }

  private static func tensor(_ entry: Entry, bytes: Data) -> Tensor {
    var tensor = Tensor(zeros: Shape(entry.shape))
    tensor.withMutableElements { elements in
      switch ElementType(rawValue: entry.dtype) {
      case .bfloat16:
        for index in 0..<elements.count {
          elements[index] = Float(bitPattern: UInt32(bytes.halfWord(index)) << 16)
        }
      case .float16:
        for index in 0..<elements.count { elements[index] = Float(half: bytes.halfWord(index)) }
      default:
        elements.withUnsafeMutableBytes { _ = bytes.copyBytes(to: $0) }
      }
    }
    return tensor
  }

  private enum ElementType: String {
    case float32 = "F32"
    case float16 = "F16"
    case bfloat16 = "BF16"

    var byteCount: Int { self == .float32 ? 4 : 2 }
  }
}

extension Data {
  /// The little-endian 16-bit word at an index.
  fileprivate func halfWord(_ index: Int) -> UInt16 {
    let first = startIndex + 2 * index
    return UInt16(self[first]) | UInt16(self[first + 1]) << 8
  }
}

extension Float {
  /// From the bits of an IEEE half; spelled out, because Float16 does not exist on Intel Macs.
  fileprivate init(half bits: UInt16) {
    let (sign, exponent, fraction) = (bits >> 15, Int(bits >> 10 & 0x1F), Float(bits & 0x3FF))
    let magnitude: Float =
      switch exponent {
      case 0: fraction * 0x1p-24
      case 31: fraction == 0 ? .infinity : .nan
      default: Float(sign: .plus, exponent: exponent - 15, significand: 1 + fraction / 1024)
      }
    self = sign == 1 ? -magnitude : magnitude
  }
}
