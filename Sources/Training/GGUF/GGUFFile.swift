internal import Foundation
internal import NanoTensor

/// A GGUF file: metadata, then name, extents, type and place of each tensor, then their numbers, all little-endian.
/// - SeeAlso: github.com/ggml-org/ggml, docs/gguf.md.
struct GGUFFile: Sendable {
  /// A file that cannot be read.
  struct FormatError: Error, Hashable, CustomStringConvertible {
    let reason: String
    var description: String { reason }

    init(_ reason: String) { self.reason = reason }
  }

  private struct Entry {
    let shape: Shape
    let type: GGUFTensorType
    let range: Range<Int>
  }

  let metadata: [String: GGUFValue]
  /// Names of tensors in the order of the file.
  let names: [String]
  private let entries: [String: Entry]
  private let body: Data

  private static let magic = "GGUF"
  private static let version: UInt32 = 3
  private static let alignmentKey = "general.alignment"
  private static let alignment = 32

  // MARK: Writing

  /// All before the numbers of the first tensor.
  static func header(
    metadata: [(key: String, value: GGUFValue)], tensors: [(name: String, shape: Shape, type: GGUFTensorType)]
  ) -> Data {
    var writer = GGUFWriter()
    writer.append(bytes: magic.utf8)
    writer.append(version)
    writer.append(UInt64(tensors.count))
    writer.append(UInt64(metadata.count))
    for (key, value) in metadata {
      writer.append(key)
      writer.append(value)
    }
    var offset = 0
    for (name, shape, type) in tensors {
      writer.append(name)
      writer.append(UInt32(shape.rank))
      for extent in shape.dimensions.reversed() { writer.append(UInt64(extent)) }
      writer.append(type.number)
      writer.append(UInt64(offset))
      let count = type.byteCount(of: shape.elementCount)
      offset += count + padding(after: count).count
    }
    return writer.data + padding(after: writer.data.count)
  }

  /// What stands between so many bytes and the next tensor.
  static func padding(after count: Int) -> Data { Data(count: (alignment - count % alignment) % alignment) }

  // MARK: Reading

  /// - Throws: when a count, a length or a place leaves the file, two tensors overlap, or something is there twice.
  init(_ data: Data) throws(FormatError) {
    var reader = GGUFReader(data)
    guard data.starts(with: Self.magic.utf8) else { throw FormatError("not a GGUF file") }
    reader.skip(Self.magic.utf8.count)
    let version = try reader.integer(UInt32.self)
    guard (2...Self.version).contains(version) else {
      throw FormatError("version \(version) of the format; 2 and 3, little-endian, can be read")
    }
    // A tensor takes at least a name's length, a count of extents, a type and an offset; a value its key and type.
    let tensorCount = try reader.count(ofAtLeast: 24, "tensors")
    let valueCount = try reader.count(ofAtLeast: 13, "values")
    var metadata: [String: GGUFValue] = [:]
    for _ in 0..<valueCount {
      let key = try reader.string()
      guard metadata.updateValue(try reader.value(of: key), forKey: key) == nil else {
        throw FormatError("the key '\(key)' is there twice")
      }
    }
    var alignment = Self.alignment
    if let value = metadata[Self.alignmentKey] {
      guard case .integer(let number) = value, number > 0, number <= 1 << 16, number % 8 == 0 else {
        throw FormatError("'\(Self.alignmentKey)' is no multiple of 8 up to 65536")
      }
      alignment = number
    }
    var (names, entries) = ([String](), [String: Entry]())
    for _ in 0..<tensorCount {
      let name = try reader.string()
      guard entries.updateValue(try Self.entry(name, &reader, alignment: alignment), forKey: name) == nil else {
        throw FormatError("the tensor '\(name)' is there twice")
      }
      names.append(name)
    }
    let start = (reader.position + alignment - 1) / alignment * alignment
    body = data.dropFirst(start)
    for (name, entry) in entries where entry.range.upperBound > body.count {
      throw FormatError(
        "the tensor '\(name)' ends at \(entry.range.upperBound) of \(body.count) bytes; the file is cut short, or damaged"
      )
    }
    let ordered = entries.sorted { $0.value.range.lowerBound < $1.value.range.lowerBound }
    for (first, second) in zip(ordered, ordered.dropFirst())
    where first.value.range.upperBound > second.value.range.lowerBound {
      throw FormatError("the tensors '\(first.key)' and '\(second.key)' overlap")
    }
    self.metadata = metadata
    self.names = names
    self.entries = entries
  }

  private static func entry(
    _ name: String, _ reader: inout GGUFReader, alignment: Int
  ) throws(FormatError) -> Entry {
    let rank = try reader.integer(UInt32.self)
    guard (1...4).contains(rank) else {
      throw FormatError("the tensor '\(name)' has \(rank) extents; 1 to 4 can be read")
    }
    var (extents, count) = ([Int](), 1)
    for _ in 0..<rank {
      let extent = try reader.integer(UInt64.self)
      let (product, overflow) = count.multipliedReportingOverflow(by: Int(clamping: extent))
      // No number takes less than a byte, so that a file's length bounds its numbers.
      guard extent > 0, extent <= UInt64(Int32.max), !overflow, product <= reader.byteCount else {
        throw FormatError("the tensor '\(name)' has impossible extents")
      }
      extents.append(Int(extent))
      count = product
    }
    let number = try reader.integer(UInt32.self)
    guard let type = GGUFTensorType.allCases.first(where: { $0.number == number }) else {
      let known = GGUFTensorType.allCases.map(\.rawValue).joined(separator: ", ")
      throw FormatError("the tensor '\(name)' is of type \(number); what can be read: \(known)")
    }
    guard extents[0] % type.blockSize == 0 else {
      throw FormatError("the tensor '\(name)' has rows of \(extents[0]), no multiple of \(type.blockSize)")
    }
    let offset = try reader.integer(UInt64.self)
    guard offset % UInt64(alignment) == 0, offset <= UInt64(reader.byteCount) else {
      throw FormatError("the tensor '\(name)' begins at \(offset), outside the file or between two places")
    }
    return Entry(
      shape: Shape(extents.reversed()), type: type, range: Int(offset)..<Int(offset) + type.byteCount(of: count))
  }

  /// How many numbers all tensors have.
  var elementCount: Int { entries.values.reduce(0) { $0 + $1.shape.elementCount } }

  /// The extents of a tensor; nil if there is none of that name.
  func shape(of name: String) -> Shape? { entries[name]?.shape }

  /// The numbers of a tensor.
  /// - Precondition: the file has one of that name.
  func elements(of name: String) -> [Float] {
    guard let entry = entries[name] else { fatalError("GGUFFile: no tensor '\(name)'") }
    return entry.type.decode(
      body.dropFirst(entry.range.lowerBound).prefix(entry.range.count), count: entry.shape.elementCount)
  }
}
