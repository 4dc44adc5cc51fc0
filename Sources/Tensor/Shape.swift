internal import NanoPreconditions

/// The extents of a tensor, outermost first: up to four, row-major.
///
/// Stored inline, so that making a tensor never allocates for its shape.
public struct Shape: Hashable, Sendable, ExpressibleByArrayLiteral, CustomStringConvertible {
  private var extents: SIMD4<Int32>
  /// The number of axes, 0 (a scalar) to 4.
  public let rank: Int

  /// - Precondition: at most four extents, none negative and none beyond 2,147,483,647.
  public init(_ extents: [Int]) {
    checkPrecondition(extents.count <= 4, "Shape: \(extents.count) axes, but at most 4 are supported")
    var stored = SIMD4<Int32>(repeating: 1)
    for (axis, extent) in extents.enumerated() {
      checkPrecondition(extent >= 0, "Shape: extent \(extent) on axis \(axis) is negative")
      checkPrecondition(extent <= Int32.max, "Shape: extent \(extent) on axis \(axis) is beyond \(Int32.max)")
      stored[axis] = Int32(extent)
    }
    self.extents = stored
    self.rank = extents.count
  }

  /// The extents of a literal such as `[2, 3]`, outermost first.
  /// - Precondition: at most four extents, none negative and none beyond 2,147,483,647.
  public init(arrayLiteral elements: Int...) { self.init(elements) }

  /// The extent of an axis.
  public subscript(axis: Int) -> Int {
    checkPrecondition(axis >= 0 && axis < rank, "Shape: axis \(axis) of \(self)")
    return Int(extents[axis])
  }

  /// The extents as an array.
  public var dimensions: [Int] { (0..<rank).map { Int(extents[$0]) } }

  /// The product of the extents; 1 for a scalar.
  public var elementCount: Int {
    Int(extents[0]) * Int(extents[1]) * Int(extents[2]) * Int(extents[3])
  }

  /// The extent of the innermost axis; 1 for a scalar.
  public var width: Int { rank == 0 ? 1 : Int(extents[rank - 1]) }

  /// How many rows of ``width`` elements there are.
  public var rowCount: Int { rank == 0 ? 1 : width == 0 ? 0 : elementCount / width }

  public var description: String {
    "[" + dimensions.map(String.init).joined(separator: "×") + "]"
  }
}
