internal import NanoTensor

/// A tensor of a GGUF file: of each of the equal parts of one parameter some rows, or these rows transposed.
struct GGUFTensor {
  let name: String
  /// Its extents, the outermost first; the file has them the other way round.
  let shape: Shape
  private let rowsPerPart: Int
  private let rows: Range<Int>
  private let width: Int
  private let isTransposed: Bool

  /// All of a parameter.
  init(_ name: String, _ parameter: Shape) {
    self.name = name
    shape = parameter
    rowsPerPart = parameter.rowCount
    rows = 0..<parameter.rowCount
    width = parameter.width
    isTransposed = false
  }

  /// Some rows.
  /// - Parameter parts: how many parts the parameter has along its outermost axis; nil for one, without an axis of its
  ///   own in the file.
  init(
    _ name: String, _ parameter: Shape, parts: Int? = nil, rows: Range<Int>, isTransposed: Bool = false
  ) {
    self.name = name
    self.rows = rows
    self.isTransposed = isTransposed
    width = parameter.width
    rowsPerPart = parameter.rowCount / (parts ?? 1)
    let matrix = isTransposed ? [width, rows.count] : [rows.count, width]
    shape = Shape((parts.map { [$0] } ?? []) + matrix)
  }

  /// Where in the parameter an element of the tensor is.
  private func parameterIndex(of index: Int) -> Int {
    let (part, rest) = index.quotientAndRemainder(dividingBy: rows.count * width)
    let (row, column) = isTransposed ? (rest % rows.count, rest / rows.count) : (rest / width, rest % width)
    return (part * rowsPerPart + rows.lowerBound + row) * width + column
  }

  /// The tensor's elements.
  func elements(of parameter: [Float]) -> [Float] {
    (0..<shape.elementCount).map { parameter[parameterIndex(of: $0)] }
  }

  /// Puts the tensor's elements where they are in the parameter.
  func copy(_ elements: [Float], into parameter: inout [Float]) {
    for (index, element) in elements.enumerated() { parameter[parameterIndex(of: index)] = element }
  }

  /// Its type in a file of a type. Vectors, learned positions and the weights of routers stay whole: they are few, and
  /// readers expect them so. Rows that blocks do not fill are halves.
  func type(inFileOf type: GGUFTensorType) -> GGUFTensorType {
    if shape.rank < 2 || name == "position_embd.weight" || name.hasSuffix(".ffn_gate_inp.weight") { return .f32 }
    return shape.width % type.blockSize == 0 ? type : .f16
  }
}
