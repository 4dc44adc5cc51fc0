internal import NanoLayers
internal import NanoTensor

extension DecoderBlock.Norm {
  /// One row.
  func decode(_ x: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>) {
    switch self {
    case .layerNorm(let norm):
      kernels.layerNorm(x, gain: norm.gain.value, bias: norm.bias.value, epsilon: norm.epsilon, into: out)
    case .rmsNorm(let norm): norm.decode(x, into: out)
    }
  }

  /// All rows of the residual stream.
  func decode(_ run: DecodingRun) {
    run.forEachRow { row, place in decode(run.buffers.hidden[row].start, into: run.buffers.normed[place].start) }
  }
}

extension RMSNorm {
  /// One row.
  func decode(_ x: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>) {
    kernels.rmsNorm(x, gain: gain.value, epsilon: epsilon, into: out)
  }
}

extension Linear {
  /// As products of few rows read it.
  func decodingWeight(_ format: WeightFormat) -> DecodingWeight {
    DecodingWeight(weight.value, bias: bias?.value, format: format)
  }
}
