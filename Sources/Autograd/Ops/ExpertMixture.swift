internal import NanoCUDA
internal import NanoPreconditions
internal import NanoTensor

// N rows, E experts, I inputs and O outputs of an expert's second map.

/// `y_n = Σ_e g_ne (W_e a_ne + b_e)` with `a_ne = silu(u_ne) · v_ne`: SwiGLU, the second map of every expert and
/// the gated sum in one.
///
/// Scaling the activations first turns the sum over experts into one long product,
/// `y = [g_1 a_1 | … | g_E a_E] · [W_1 | … | W_E]ᵀ + g · B`.
///
/// Hidden values, activations and their gradients have the precision's own format.
enum ExpertMixtureOperation {
  struct Saved {
    /// `[u | v]` of every expert.
    let hidden_NEI: Activation
    let gates_NE: Tensor
    let weight_EOI: Weight
    let bias_EO: Tensor
  }

  static func forward(_ operands: Saved, precision: Precision) -> Tensor {
    let (gates_NE, weight_EOI) = (operands.gates_NE, operands.weight_EOI)
    let (rows, hidden) = (gates_NE.shape[0], operands.hidden_NEI)
    if let gpu = hidden.gpu { return forward(operands, precision: precision, on: gpu) }
    let (experts, outputs, inputs) = (weight_EOI.shape[0], weight_EOI.shape[1], weight_EOI.shape[2])
    var scaled = Activation(uninitialized: [rows, experts * inputs], format: hidden.format)
    kernels.gatedSwiGLU(
      hidden.numbers, gates: gates_NE.numbers, rows: rows * experts, width: inputs, into: &scaled)
    var output: Tensor = matmul(
      gates_NE.matrix, operands.bias_EO.matrix, shape: [rows, outputs])
    for expert in 0..<experts {
      matmul(
        scaled.matrix(columns: expert * inputs..<(expert + 1) * inputs), weight_EOI[expert].transposed,
        into: &output, adding: .result(times: 1), precision: precision)
    }
    return output
  }

  struct InputGradients {
    let hidden_NEI: Activation
    let gates_NE, weight_EOI, bias_EO: Tensor
  }

  /// With `q_ne = W_eᵀ dy_n`:
  /// `da_ne = g_ne q_ne`, from there `[du | dv]` as in ``SwiGLUOperation``,
  /// `dg_ne = <q_ne, a_ne> + <dy_n, b_e>`, `dW_e = dyᵀ (g_e a_e)`, `db = gᵀ dy`.
  static func backward(
    _ gradient_NO: Tensor, _ saved: Saved, precision: Precision
  ) -> InputGradients {
    let rows = gradient_NO.shape.rowCount
    let (experts, inputs) = (saved.weight_EOI.shape[0], saved.weight_EOI.shape[2])
    let (outputs, format) = (saved.weight_EOI.shape[1], saved.hidden_NEI.format)
    if let gpu = gradient_NO.gpu {
      return backward(gradient_NO, saved, precision: precision, on: gpu)
    }
    let gradient = Activation(gradient_NO, format: format)
    var projected = Activation(uninitialized: [rows, experts * inputs], format: format)
    var scaled = Activation(uninitialized: [rows, experts * inputs], format: format)
    var hidden = Activation(uninitialized: saved.hidden_NEI.shape, format: format)
    var weight = Tensor(uninitialized: saved.weight_EOI.shape)
    var gates: Tensor = matmul(
      gradient_NO.matrix, saved.bias_EO.matrix.transposed, shape: saved.gates_NE.shape)
    let bias: Tensor = matmul(
      saved.gates_NE.matrix.transposed, gradient_NO.matrix, shape: saved.bias_EO.shape)
    for expert in 0..<experts {
      matmul(
        gradient.matrix, saved.weight_EOI[expert], into: &projected, from: expert * inputs,
        rowStride: experts * inputs, precision: precision)
    }
    kernels.gatedSwiGLUBackward(
      saved.hidden_NEI.numbers, gates: saved.gates_NE.numbers, projected, rows: rows * experts, width: inputs,
      into: &hidden, gateGradient: &gates, activations: &scaled)
    for expert in 0..<experts {
      matmul(
        gradient.matrix.transposed, scaled.matrix(columns: expert * inputs..<(expert + 1) * inputs), into: &weight,
        from: expert * outputs * inputs, precision: precision)
    }
    return InputGradients(hidden_NEI: hidden, gates_NE: gates, weight_EOI: weight, bias_EO: bias)
  }

  // MARK: GPU

  /// All experts' products are one batch, and a kernel adds them up.
  private static func forward(
    _ operands: Saved, precision: Precision, on gpu: CUDADevice
  ) -> Tensor {
    let sizes = Sizes(operands)
    let (rows, experts, outputs) = (sizes.rows, sizes.experts, sizes.outputs)
    let hidden = operands.hidden_NEI
    var scaled = Activation(
      uninitialized: [rows, experts * sizes.inputs], format: hidden.format, on: gpu)
    let count = scaled.shape.elementCount
    gpu.launch(
      Kernel("experts", "gated_swiglu"), blocks: (count + 255) / 256, threads: 256,
      [
        hidden.argument, operands.gates_NE.argument, .output(&scaled), hidden.numbers.formatArgument,
        .long(count), .int(sizes.inputs),
      ])
    let weight = operands.weight_EOI.operand(in: precision)
    var products = Tensor(uninitialized: [experts, rows, outputs], on: gpu)
    products.withMutableNumbers {
      gpu.multiply(
        sizes.columns(of: scaled.numbers), sizes.weights(weight.numbers).transposed,
        into: DeviceMatrix(
          $0.numbers.start, format: .float32, rows: rows, columns: outputs, batchStride: rows * outputs),
        batchCount: experts)
    }
    var output = Tensor(uninitialized: [rows, outputs], on: gpu)
    gpu.launch(
      Kernel("experts", "mixture_sum"), blocks: (rows * outputs + 255) / 256, threads: 256,
      [
        products.argument, operands.gates_NE.argument, operands.bias_EO.argument, .output(&output),
        .long(rows * outputs), .int(experts), .int(outputs),
      ])
    return output
  }

  private static func backward(
    _ gradient_NO: Tensor, _ saved: Saved, precision: Precision, on gpu: CUDADevice
  ) -> InputGradients {
    let sizes = Sizes(saved)
    let (rows, experts, outputs) = (sizes.rows, sizes.experts, sizes.outputs)
    let format = saved.hidden_NEI.format
    let gradient = Activation(gradient_NO, format: format)
    var projected = Activation(
      uninitialized: [rows, experts * sizes.inputs], format: format, on: gpu)
    var scaled = Activation(uninitialized: projected.shape, format: format, on: gpu)
    var hidden = Activation(uninitialized: saved.hidden_NEI.shape, format: format, on: gpu)
    var gates = Tensor(uninitialized: saved.gates_NE.shape, on: gpu)
    var weight = Tensor(uninitialized: saved.weight_EOI.shape, on: gpu)
    var bias = Tensor(uninitialized: saved.bias_EO.shape, on: gpu)
    let dy = DeviceMatrix(
      gradient.numbers.start, format: gradient.numbers.deviceFormat, rows: rows, columns: outputs)
    let weights = saved.weight_EOI.operand(in: precision)
    projected.withMutableNumbers {
      gpu.multiply(dy, sizes.weights(weights.numbers), into: sizes.columns(of: $0.numbers), batchCount: experts)
    }
    gpu.launch(
      Kernel("experts", "mixture_backward"), blocks: (rows * experts + 7) / 8, threads: 256,
      [
        saved.hidden_NEI.argument, saved.gates_NE.argument, projected.argument, gradient_NO.argument,
        saved.bias_EO.argument, .output(&hidden), .output(&gates), .output(&scaled),
        hidden.numbers.formatArgument, .int(rows), .int(experts), .int(sizes.inputs), .int(outputs),
      ])
    weight.withMutableNumbers {
      gpu.multiply(
        dy.transposed, sizes.columns(of: scaled.numbers), into: sizes.weights($0.numbers), batchCount: experts)
    }
    bias.withMutableNumbers {
      gpu.matmul(saved.gates_NE.matrix.transposed, gradient_NO.matrix, into: $0, precision: .float32)
    }
    return InputGradients(hidden_NEI: hidden, gates_NE: gates, weight_EOI: weight, bias_EO: bias)
  }

  private struct Sizes {
    let rows, experts, outputs, inputs: Int

    init(_ operands: Saved) {
      rows = operands.gates_NE.shape[0]
      (experts, outputs, inputs) = (
        operands.weight_EOI.shape[0], operands.weight_EOI.shape[1], operands.weight_EOI.shape[2]
      )
    }

    /// The columns of every expert.
    func columns(of values: Numbers) -> DeviceMatrix {
      DeviceMatrix(
        values.start, format: values.deviceFormat, rows: rows, columns: inputs,
        leading: experts * inputs, batchStride: inputs)
    }

    /// The matrix of every expert.
    func weights(_ weight_EOI: Numbers) -> DeviceMatrix {
      DeviceMatrix(
        weight_EOI.start, format: weight_EOI.deviceFormat, rows: outputs,
        columns: inputs, batchStride: outputs * inputs)
    }
  }
}

extension Variable {
  /// The gated sum of SwiGLU experts from the outputs of their first maps,
  /// `y_n = Σ_e g_ne (W_e (silu(u_ne) · v_ne) + b_e)`.
  ///
  /// `self` holds `[u | v]` of every expert side by side: 2·E·I columns, expert e's from 2·e·I on. In half precision
  /// they, and the activations, are rounded to it.
  /// - Parameters:
  ///   - gates: N×E.
  ///   - weight: E×O×I.
  ///   - bias: E×O.
  /// - Returns: N×O.
  /// - Complexity: O(N·E·I·O) time; keeps the input, and makes the activations again in the backward pass.
  public func expertMixture(gates: Variable, weight: Variable, bias: Variable) -> Variable {
    checkPrecondition(
      weight.shape.rank == 3 && gates.shape.rank == 2 && bias.shape.rank == 2
        && gates.shape[0] == shape.rowCount && gates.shape[1] == weight.shape[0]
        && shape.width == 2 * weight.shape[0] * weight.shape[2] && bias.shape[0] == weight.shape[0]
        && bias.shape[1] == weight.shape[1],
      "expertMixture: input \(shape), gates \(gates.shape), weight \(weight.shape), "
        + "bias \(bias.shape)")
    let precision = tape.precision
    let saved = ExpertMixtureOperation.Saved(
      hidden_NEI: tape.operand(self), gates_NE: gates.value, weight_EOI: weight.weight,
      bias_EO: bias.value)
    let output = ExpertMixtureOperation.forward(saved, precision: precision)
    let nodes = (node, gates.node, weight.node, bias.node)
    return tape.record(output, inputs: self, gates, weight, bias) { gradient, slots in
      let gradients = ExpertMixtureOperation.backward(gradient, saved, precision: precision)
      slots.accumulate(gradients.hidden_NEI, into: nodes.0)
      slots.accumulate(gradients.gates_NE, into: nodes.1)
      slots.accumulate(gradients.weight_EOI, into: nodes.2)
      slots.accumulate(gradients.bias_EO, into: nodes.3)
    }
  }
}
