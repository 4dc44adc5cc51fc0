internal import NanoCUDA
internal import NanoPreconditions
internal import NanoTensor

// N rows, D width.

/// `y = g · x / √(mean(x²) + ε)` over each row.
enum RMSNormOperation {
  struct Saved {
    let input_ND: Activation
    let gain_D: Tensor
    /// 1/√(mean(x²) + ε) of every row.
    let reciprocals_N: Tensor
  }

  static func forward(
    input_ND: Tensor, gain_D: Tensor, epsilon: Float, format: HalfTensor.Format?, keeping kept: inout HalfTensor?
  ) -> (output: Activation, reciprocals_N: Tensor) {
    var output = Activation(uninitialized: input_ND.shape, format: format, on: input_ND.gpu)
    var reciprocals = Tensor(uninitialized: [input_ND.shape.rowCount], on: input_ND.gpu)
    if let gpu = input_ND.gpu {
      gpu.launchRows(
        Kernel("norms", "rms_norm"), rows: input_ND.shape.rowCount,
        [
          input_ND.argument, gain_D.argument, .output(&output), output.numbers.formatArgument, .output(&kept),
          .output(&reciprocals), .int(input_ND.shape.rowCount), .int(input_ND.shape.width), .float(epsilon),
        ])
      return (output, reciprocals)
    }
    kernels.rmsNorm(input_ND, gain: gain_D, epsilon: epsilon, into: &output, reciprocals: &reciprocals)
    return (output, reciprocals)
  }

  /// - Parameters:
  ///   - other: on a GPU, what is added to the input's gradient.
  ///   - format: on a GPU, what the input's gradient is rounded to beside.
  static func backward(
    _ gradient_ND: Activation, _ saved: Saved, adding other: Tensor? = nil, format: HalfTensor.Format? = nil
  ) -> (input: Activation, gain: Tensor) {
    if let gpu = gradient_ND.gpu {
      let gradients = gpu.normGradients(
        "rms_norm_backward", saved.input_ND.numbers, gain: saved.gain_D, statistics: saved.reciprocals_N,
        gradient_ND.numbers, adding: other, shape: gradient_ND.shape, format: format, hasBias: false)
      return (gradients.input, gradients.gain)
    }
    var input = Tensor(uninitialized: gradient_ND.shape)
    var gain = Tensor(zeros: saved.gain_D.shape)
    kernels.rmsNormBackward(
      saved.input_ND, gain: saved.gain_D, reciprocals: saved.reciprocals_N, gradient_ND, into: &input,
      gainGradient: &gain)
    return (.whole(input), gain)
  }
}

extension Variable {
  /// Root-mean-square normalization over the innermost axis.
  /// - Parameters:
  ///   - gain: D factors.
  ///   - epsilon: added to the mean square.
  /// - Returns: of the input's shape; in half precision rounded to it, since products read it.
  /// - Complexity: O(N·D); keeps the input and one number a row for the backward pass.
  /// - SeeAlso: Zhang, Sennrich, 2019, arXiv:1910.07467.
  public func rmsNorm(gain: Variable, epsilon: Float = 1e-6) -> Variable {
    checkPrecondition(
      gain.shape.elementCount == shape.width, "rmsNorm: input \(shape), gain \(gain.shape)")
    var kept = tape.roomToKeep(self)
    let (output, reciprocals) = RMSNormOperation.forward(
      input_ND: value, gain_D: gain.value, epsilon: epsilon, format: tape.precision.activationFormat, keeping: &kept)
    let saved = RMSNormOperation.Saved(
      input_ND: kept.map { .half($0) } ?? tape.keep(self), gain_D: gain.value, reciprocals_N: reciprocals)
    let format = tape.precision.activationFormat
    let (inputNode, gainNode) = (node, gain.node)
    return tape.record(output, inputs: [self, gain]) { gradient, slots in
      let gradients = RMSNormOperation.backward(gradient, saved, adding: slots.takeOnGPU(inputNode), format: format)
      slots.accumulate(gradients.input, into: inputNode)
      slots.accumulate(gradients.gain, into: gainNode)
    }
  }
}
