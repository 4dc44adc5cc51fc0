internal import Foundation
internal import NanoPreconditions

extension Tensor: Equatable {
  /// Whether shapes and elements are equal, wherever they lie; NaN equals nothing.
  public static func == (left: Tensor, right: Tensor) -> Bool {
    left.shape == right.shape && left.scalars == right.scalars
  }
}

extension Tensor {
  /// One element; setting it copies all first when they are shared. For tests and tutorials: every access to a tensor on a
  /// GPU copies the whole tensor.
  ///
  /// ```swift
  /// var x = Tensor(zeros: [2, 3])
  /// x[1, 2] = 7
  /// ```
  /// - Precondition: one index an axis, each within its extent.
  public subscript(indices: Int...) -> Float {
    get {
      let offset = shape.offset(indices)
      return withElements { $0[offset] }
    }
    set {
      let offset = shape.offset(indices)
      withMutableElements { $0[offset] = newValue }
    }
  }
}

extension Shape {
  /// Where the element at these indices lies, row-major.
  func offset(_ indices: [Int]) -> Int {
    checkPrecondition(
      indices.count == rank && zip(indices, dimensions).allSatisfy { (0..<$1).contains($0) },
      "Tensor[\(indices.map(String.init).joined(separator: ", "))] of \(self)")
    return zip(indices, dimensions).reduce(0) { $0 * $1.1 + $1.0 }
  }
}

extension Tensor: CustomStringConvertible {
  /// Shape and elements, as NumPy prints them: columns aligned, six digits, and of more than a thousand elements only the
  /// first and last three along each axis.
  ///
  /// ```
  /// Tensor [2×3]
  /// [[  1 2.5   3]
  ///  [  4  -5 600]]
  /// ```
  public var description: String {
    let numbers = scalars.map { String(format: "%.6g", $0) }
    let abbreviates = elementCount > 1000
    let extents = shape.dimensions
    /// Indices of an axis to be printed; nil for those left out.
    func indices(_ axis: Int) -> [Int?] {
      let extent = extents[axis]
      return abbreviates && extent > 6
        ? [0, 1, 2, nil, extent - 3, extent - 2, extent - 1] : (0..<extent).map { $0 }
    }
    /// The elements of all printed indices from an axis on, for the width of a column.
    func printed(_ axis: Int, _ start: Int) -> [String] {
      guard axis < extents.count else { return [numbers[start]] }
      return indices(axis).compactMap { $0 }.flatMap { printed(axis + 1, start * extents[axis] + $0) }
    }
    let width = printed(0, 0).map(\.count).max() ?? 0
    func text(_ axis: Int, _ start: Int) -> String {
      guard axis < extents.count else {
        return String(repeating: " ", count: width - numbers[start].count) + numbers[start]
      }
      let parts = indices(axis).map { index in
        index.map { text(axis + 1, start * extents[axis] + $0) } ?? "..."
      }
      let isInnermost = axis == extents.count - 1
      let separator =
        isInnermost
        ? " "
        : String(repeating: "\n", count: extents.count - 1 - axis) + String(repeating: " ", count: axis + 1)
      return "[" + parts.joined(separator: separator) + "]"
    }
    return "Tensor \(shape)\n" + text(0, 0)
  }
}
