internal import NanoTensor

/// The blocks of a matrix of 8-bit floats that share one scale, as checkpoints of DeepSeek-V3 and Kimi K2 have them.
struct HuggingFaceScaleBlock: Hashable, Sendable {
  let rows, columns: Int

  private static let suffix = "_scale_inv"

  /// Multiplies every matrix that has scales by them, and removes the scales.
  /// - Throws: when scales belong to no matrix, or do not fit theirs.
  func applyScales(to tensors: inout [String: Tensor]) throws(WeightMismatch) {
    for (name, scales) in tensors where name.hasSuffix(Self.suffix) {
      let matrixName = String(name.dropLast(Self.suffix.count))
      guard let matrix = tensors[matrixName], matrix.shape.rank == 2 else {
        throw WeightMismatch(description: "tensor '\(name)' scales no matrix")
      }
      let (height, width) = (matrix.shape[0], matrix.shape[1])
      let across = (width + columns - 1) / columns
      guard scales.shape == [(height + rows - 1) / rows, across] else {
        throw WeightMismatch(
          description: "tensor '\(name)' has shape \(scales.shape), which does not fit blocks of "
            + "\(rows)×\(columns) of \(matrix.shape)")
      }
      var scaled = matrix
      let factors = scales.scalars
      scaled.withMutableElements { elements in
        for row in 0..<height {
          for column in 0..<width {
            elements[row * width + column] *= factors[row / rows * across + column / columns]
          }
        }
      }
      tensors[matrixName] = scaled
      tensors[name] = nil
    }
  }
}

extension HuggingFaceReader {
  /// `quantization_config`: 8-bit floats with a scale for each block. Weights that are stored as other floats are
  /// what they are.
  mutating func scaleBlock() throws(ConfigurationError) -> HuggingFaceScaleBlock? {
    guard var reader = try object("quantization_config") else { return nil }
    _ = try reader.text("quant_method", oneOf: ["fp8"])
    _ = try reader.text("fmt", oneOf: ["e4m3"], default: "e4m3")
    _ = try reader.text("activation_scheme", oneOf: ["dynamic"], default: "dynamic")
    let extents = try reader.tokens("weight_block_size")
    guard extents.isEmpty || extents.count == 2 && extents.allSatisfy({ $0 > 0 }) else {
      throw reader.refusal("weight_block_size", "is not two sizes above 0")
    }
    // How scales were rounded when they were made; they are stored as what they are.
    try reader.finish(harmless: ["modules_to_not_convert", "scale_fmt"])
    return extents.isEmpty
      ? HuggingFaceScaleBlock(rows: 128, columns: 128)
      : HuggingFaceScaleBlock(rows: extents[0], columns: extents[1])
  }
}
