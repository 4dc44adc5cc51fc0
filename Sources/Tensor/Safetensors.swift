public import Foundation

/// The safetensors file format: a JSON header of names, types, shapes and byte ranges, then raw
/// little-endian data. 32-bit floats are written; 16 and 8 bits are read too.
public enum Safetensors {
  /// A file that cannot be read as safetensors.
  public struct FormatError: Error, Hashable, CustomStringConvertible {
    /// What is wrong with the file.
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

    init(from decoder: any Swift.Decoder) throws {
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
    var data = header(of: tensors.map { ($0.name, $0.tensor.shape) }, metadata: metadata)
    data.reserveCapacity(data.count + 4 * tensors.reduce(0) { $0 + $1.tensor.elementCount })
    for (_, tensor) in tensors {
      tensor.withElements { elements in
        elements.withUnsafeBytes { data.append(contentsOf: $0) }
      }
    }
    return data
  }

  /// How a file with tensors of the given names and shapes begins; their elements follow in this order.
  public static func header(
    of tensors: [(name: String, shape: Shape)], metadata: [String: String] = [:]
  ) -> Data {
    var header: [String: HeaderValue] =
      metadata.isEmpty ? [:] : ["__metadata__": .metadata(metadata)]
    var offset = 0
    for (name, shape) in tensors {
      let end = offset + shape.elementCount * 4
      header[name] = .tensor(
        Entry(dtype: "F32", shape: shape.dimensions, dataOffsets: [offset, end]))
      offset = end
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    // A dictionary of strings, integers and arrays always encodes.
    var json = try! encoder.encode(header)
    while json.count % 8 != 0 { json.append(UInt8(ascii: " ")) }  // data starts 8-byte aligned

    var data = Data(capacity: 8 + json.count)
    withUnsafeBytes(of: UInt64(json.count).littleEndian) { data.append(contentsOf: $0) }
    data.append(json)
    return data
  }

  /// The tensors of a file by name.
  /// - Throws: see ``decodeFile(_:)``.
  public static func decode(_ data: Data) throws(FormatError) -> [String: Tensor] {
    Dictionary(
      uniqueKeysWithValues: try decodeFile(data).tensors.map { ($0.name, $0.tensor) })
  }

  /// The tensors of a file, in the order of their data, and its metadata.
  /// - Throws: when the header is not JSON, a type is not F32, F16 or BF16, a byte range is negative, overlaps another, does
  ///   not match its shape or leaves the file, or bytes belong to no tensor.
  public static func decodeFile(
    _ data: Data
  ) throws(FormatError) -> (tensors: [(name: String, tensor: Tensor)], metadata: [String: String]) {
    let file = try File(data)
    var tensors: [(name: String, tensor: Tensor)] = []
    for name in file.names { tensors.append((name, try file.tensor(name))) }
    return (tensors, file.metadata)
  }

  /// A file whose header is read, and whose tensors are decoded when they are asked for.
  public struct File: Sendable {
    /// Names in the order of the data.
    public let names: [String]
    /// What the writer added.
    public let metadata: [String: String]
    private let entries: [String: (entry: Entry, range: Range<Int>)]
    private let body: Data

    /// - Throws: when the header is not JSON, a byte range is negative, overlaps another or leaves the file, or bytes belong to
    ///   no tensor.
    public init(_ data: Data) throws(FormatError) {
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
      body = data.dropFirst(8 + Int(headerLength))
      let header: [String: HeaderValue]
      do {
        header = try JSONDecoder().decode(
          [String: HeaderValue].self, from: data.dropFirst(8).prefix(Int(headerLength)))
      } catch {
        throw FormatError(reason: "the header is not a safetensors JSON object")
      }
      var entries: [String: (entry: Entry, range: Range<Int>)] = [:]
      for case (let name, .tensor(let entry)) in header {
        entries[name] = (entry, try byteRange(of: entry, name: name, bodyCount: body.count))
      }
      let ordered = entries.sorted {
        ($0.value.range.lowerBound, $0.value.range.upperBound, $0.key)
          < ($1.value.range.lowerBound, $1.value.range.upperBound, $1.key)
      }
      for (first, second) in zip(ordered, ordered.dropFirst())
      where first.value.range.upperBound > second.value.range.lowerBound {
        throw FormatError(reason: "tensors '\(first.key)' and '\(second.key)' overlap")
      }
      // The format has no room for anything else: such bytes are of a tensor that a second one of its name hides, or were cut off.
      let starts = ordered.map(\.value.range.lowerBound) + [body.count]
      let ends = [0] + ordered.map(\.value.range.upperBound)
      if let (end, start) = zip(ends, starts).first(where: { $0 < $1 }) {
        throw FormatError(reason: "data bytes \(end) to \(start) belong to no tensor")
      }
      names = ordered.map(\.key)
      self.entries = entries
      if case .metadata(let metadata)? = header["__metadata__"] {
        self.metadata = metadata
      } else {
        metadata = [:]
      }
    }

    /// Whether a tensor holds 8-bit floats, which stand for nothing without their scales.
    public func hasEightBits(_ name: String) -> Bool {
      entries[name]?.entry.dtype == ElementType.float8.rawValue
    }

    /// - Throws: when the type is not F32, F16, BF16 or F8_E4M3, or the shape does not fit the byte range.
    /// - Precondition: the file has a tensor of that name.
    public func tensor(_ name: String) throws(FormatError) -> Tensor {
      guard let (entry, range) = entries[name] else { fatalError("Safetensors: no tensor '\(name)'") }
      try requireBytes(range.count, for: entry, name: name)
      return Safetensors.tensor(entry, bytes: body.dropFirst(range.lowerBound).prefix(range.count))
    }
  }

  private static func byteRange(
    of entry: Entry, name: String, bodyCount: Int
  ) throws(FormatError) -> Range<Int> {
    guard entry.dataOffsets.count == 2, entry.dataOffsets[0] >= 0,
      entry.dataOffsets[0] <= entry.dataOffsets[1], entry.dataOffsets[1] <= bodyCount
    else {
      throw FormatError(
        reason: "tensor '\(name)' lies at \(entry.dataOffsets) of \(bodyCount) data bytes")
    }
    return entry.dataOffsets[0]..<entry.dataOffsets[1]
  }

  private static func requireBytes(
    _ available: Int, for entry: Entry, name: String
  ) throws(FormatError) {
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
    guard available == count else {
      throw FormatError(
        reason: "tensor '\(name)' of shape \(entry.shape) needs \(count) bytes, its range has "
          + "\(available)")
    }
  }

  private static func tensor(_ entry: Entry, bytes: Data) -> Tensor {
    var tensor = Tensor(zeros: Shape(entry.shape))
    tensor.withMutableElements { elements in
      switch ElementType(rawValue: entry.dtype) {
      case .bfloat16:
        for index in 0..<elements.count {
          elements[index] = Float(bitPattern: UInt32(bytes.halfWord(index)) << 16)
        }
      case .float8:
        for (index, bits) in bytes.enumerated() { elements[index] = Float(eightBits: bits) }
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
    case float8 = "F8_E4M3"

    var byteCount: Int {
      switch self {
      case .float32: 4
      case .float16, .bfloat16: 2
      case .float8: 1
      }
    }
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
  /// From the bits of an 8-bit float with 4 bits of exponent and 3 of fraction, without infinity.
  fileprivate init(eightBits bits: UInt8) {
    let (sign, exponent, fraction) = (bits >> 7, Int(bits >> 3 & 0xF), Float(bits & 0x7))
    let magnitude: Float =
      switch (exponent, fraction) {
      case (0, _): fraction * 0x1p-9
      case (15, 7): .nan
      default: Float(sign: .plus, exponent: exponent - 7, significand: 1 + fraction / 8)
      }
    self = sign == 1 ? -magnitude : magnitude
  }
}
