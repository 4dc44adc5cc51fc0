internal import NanoCUDA
internal import NanoPreconditions
internal import NanoTensor

// N rows, D width.

/// `y = g · (x - mean) / √(variance + ε) + b` over each row, the variance biased.
enum LayerNormOperation {
  struct Saved {
    let input_ND: Activation
    let gain_D: Tensor
    /// Mean and reciprocal standard deviation of every row.
    let statistics_N2: Tensor
  }

  static func forward(
    input_ND: Tensor, gain_D: Tensor, bias_D: Tensor, epsilon: Float, format: HalfTensor.Format?,
    keeping kept: inout HalfTensor?
  ) -> (output: Activation, statistics_N2: Tensor) {
    var output = Activation(uninitialized: input_ND.shape, format: format, on: input_ND.gpu)
    var statistics = Tensor(uninitialized: [input_ND.shape.rowCount, 2], on: input_ND.gpu)
    if let gpu = input_ND.gpu {
      gpu.launchRows(
        Kernel("norms", "layer_norm"), rows: input_ND.shape.rowCount,
        [
          input_ND.argument, gain_D.argument, bias_D.argument, .output(&output), output.numbers.formatArgument,
          .output(&kept), .output(&statistics), .int(input_ND.shape.rowCount), .int(input_ND.shape.width),
          .float(epsilon),
        ])
      return (output, statistics)
    }
    kernels.layerNorm(
      input_ND, gain: gain_D, bias: bias_D, epsilon: epsilon, into: &output, statistics: &statistics)
    return (output, statistics)
  }

  /// - Parameters:
  ///   - other: on a GPU, what is added to the input's gradient.
  ///   - format: on a GPU, what the input's gradient is rounded to beside.
  static func backward(
    _ gradient_ND: Activation, _ saved: Saved, adding other: Tensor? = nil, format: HalfTensor.Format? = nil
  ) -> (input: Activation, gain: Tensor, bias: Tensor) {
    if let gpu = gradient_ND.gpu {
      let gradients = gpu.normGradients(
        "layer_norm_backward", saved.input_ND.numbers, gain: saved.gain_D, statistics: saved.statistics_N2,
        gradient_ND.numbers, adding: other, shape: gradient_ND.shape, format: format, hasBias: true)
      return (gradients.input, gradients.gain, gradients.bias!)
    }
    var input = Tensor(uninitialized: gradient_ND.shape)
    var gain = Tensor(zeros: saved.gain_D.shape)
    var bias = Tensor(zeros: saved.gain_D.shape)
    kernels.layerNormBackward(
      saved.input_ND, gain: saved.gain_D, statistics: saved.statistics_N2, gradient_ND, into: &input,
      gainGradient: &gain, biasGradient: &bias)
    return (.whole(input), gain, bias)
  }
}

extension Variable {
  /// Layer normalization over the innermost axis.
  /// - Parameters:
  ///   - gain: D factors.
  ///   - bias: D offsets.
  ///   - epsilon: added to the variance.
  /// - Returns: of the input's shape; in half precision rounded to it, since products read it.
  /// - Complexity: O(N·D); keeps the input and two numbers a row for the backward pass.
  /// - SeeAlso: Ba, Kiros, Hinton, 2016, arXiv:1607.06450.
  public func layerNorm(gain: Variable, bias: Variable, epsilon: Float = 1e-5) -> Variable {
    checkPrecondition(
      gain.shape.elementCount == shape.width && bias.shape.elementCount == shape.width,
      "layerNorm: input \(shape), gain \(gain.shape), bias \(bias.shape)")
    var kept = tape.roomToKeep(self)
    let (output, statistics) = LayerNormOperation.forward(
      input_ND: value, gain_D: gain.value, bias_D: bias.value, epsilon: epsilon,
      format: tape.precision.activationFormat, keeping: &kept)
    let saved = LayerNormOperation.Saved(
      input_ND: kept.map { .half($0) } ?? tape.keep(self), gain_D: gain.value, statistics_N2: statistics)
    let format = tape.precision.activationFormat
    let (inputNode, gainNode, biasNode) = (node, gain.node, bias.node)
    return tape.record(output, inputs: [self, gain, bias]) { gradient, slots in
      let gradients = LayerNormOperation.backward(gradient, saved, adding: slots.takeOnGPU(inputNode), format: format)
      slots.accumulate(gradients.input, into: inputNode)
      slots.accumulate(gradients.gain, into: gainNode)
      slots.accumulate(gradients.bias, into: biasNode)
    }
  }
}
