internal import CNanoKernels
internal import NanoPreconditions

// O outputs, D depth.

/// A weight, and a bias if there is one, as products of few rows read it: `y = x Wᵀ + b`.
///
/// The bits of a result depend on its row of `x` alone, not on the rows beside it or on how outputs are divided between
/// threads.
package struct DecodingWeight: Sendable {
  /// O.
  package let outputs: Int
  /// D.
  package let depth: Int
  private let format: WeightFormat
  /// The tensor itself, or as many floats as its rounded numbers take.
  private let numbers: Tensor
  /// One an output, of 8 bits.
  private let scales: Tensor?
  private let bias: Tensor?

  /// - Parameters:
  ///   - weight: O×D; of more axes, the matrix of its rows.
  ///   - bias: O elements; nil for none.
  package init(_ weight: Tensor, bias: Tensor? = nil, format: WeightFormat) {
    (outputs, depth) = (weight.shape.rowCount, weight.shape.width)
    checkPrecondition(
      bias.map { $0.elementCount == weight.shape.rowCount } ?? true,
      "DecodingWeight: weight \(weight.shape), bias \(bias?.shape ?? [])")
    self.format = format
    self.bias = bias
    switch format {
    case .float32: (numbers, scales) = (weight, nil)
    case .bfloat16: (numbers, scales) = (Self.halves(of: weight), nil)
    case .int8: (numbers, scales) = Self.bytes(of: weight)
    }
  }

  private static func halves(of weight: Tensor) -> Tensor {
    var rounded = Tensor(uninitialized: [(weight.elementCount + 1) / 2])
    let halves = UnsafeMutableRawPointer(rounded.mutableElements).assumingMemoryBound(to: UInt16.self)
    kernels.table.pointee.to_bf16(weight.elements, halves, weight.elementCount)
    return rounded
  }

  private static func bytes(of weight: Tensor) -> (numbers: Tensor, scales: Tensor) {
    let (rows, width, elements) = (weight.shape.rowCount, weight.shape.width, weight.elements)
    var (rounded, scales) = (Tensor(uninitialized: [(weight.elementCount + 3) / 4]), Tensor(uninitialized: [rows]))
    let bytes = UnsafeMutableRawPointer(rounded.mutableElements).assumingMemoryBound(to: Int8.self)
    let scale = scales.mutableElements
    for row in 0..<rows {
      var largest: Float = 0
      for element in row * width..<(row + 1) * width { largest = max(largest, abs(elements[element])) }
      scale[row] = largest / 127
      let factor = largest > 0 ? 127 / largest : 0
      for element in row * width..<(row + 1) * width {
        bytes[element] = Int8((elements[element] * factor).rounded(.toNearestOrEven))
      }
    }
    withExtendedLifetime(weight) {}
    return (rounded, scales)
  }

  /// Bytes that a product reads, of all outputs.
  package var byteCount: Int {
    numbers.elementCount * MemoryLayout<Float>.stride + (scales?.elementCount ?? 0) * MemoryLayout<Float>.stride
  }

  /// Writes the results of some outputs, the first of them to the first column of `result`.
  /// - Parameters:
  ///   - count: rows of x.
  ///   - inputRows: which rows those are; nil for the first ones.
  ///   - resultRows: where their results go; nil for the first ones.
  ///   - adding: whether they are added to what is there.
  package func multiply(
    _ x: Rows, count: Int, reading inputRows: UnsafePointer<Int32>? = nil, outputs range: Range<Int>, into result: Rows,
    writing resultRows: UnsafePointer<Int32>? = nil, adding: Bool = false
  ) {
    guard count > 0, !range.isEmpty else { return }
    let bytes = format == .float32 ? 4 : format == .bfloat16 ? 2 : 1
    var product = nk_row_product(
      weights: UnsafeRawPointer(numbers.elements) + range.lowerBound * depth * bytes, format: format.kernelValue,
      weight_stride: depth, scales: scales.map { $0.elements + range.lowerBound },
      bias: bias.map { $0.elements + range.lowerBound }, outputs: range.count, depth: depth, count: count,
      x: x.start, x_stride: x.stride, x_rows: inputRows, out: result.start, out_stride: result.stride,
      out_rows: resultRows, adds: adding)
    kernels.table.pointee.row_product(&product)
  }

  /// The same for this member's part of all outputs, in its place.
  package func multiply(_ x: Rows, count: Int, into result: Rows, adding: Bool = false, _ team: Team) {
    let range = team.part(of: outputs, inGroupsOf: Self.group)
    multiply(
      x, count: count, outputs: range, into: result.from(column: range.lowerBound), adding: adding)
  }

  /// Outputs that stay together: as many floats as a line of the cache has, and as the longest vector, so that what is
  /// computed behind whole vectors is so on any number of threads.
  package static let group = 16
}

extension WeightFormat {
  fileprivate var kernelValue: nk_weight_format {
    switch self {
    case .float32: NK_WEIGHT_FP32
    case .bfloat16: NK_WEIGHT_BF16
    case .int8: NK_WEIGHT_INT8
    }
  }
}
