internal import CNanoKernels
internal import NanoTensor

// N rows, E experts, I expert inputs (per expert), O outputs.

/// `y_n = Σ_e g_ne (W_e h_ne + b_e)`: the last linear map of every expert and the gated sum in one.
///
/// Scaling the activations first turns the sum over experts into one long product,
/// `y = [g_1 h_1 | … | g_E h_E] · [W_1 | … | W_E]ᵀ + g · B`.
enum ExpertMixtureOperation {
  struct Saved {
    let activations_NEI: Tensor
    let gates_NE: Tensor
    let scaled_NEI: Tensor
    let weight_EOI: Tensor
    let bias_EO: Tensor
  }

  static func forward(
    activations_NEI: Tensor, gates_NE: Tensor, weight_EOI: Tensor, bias_EO: Tensor,
    precision: Precision
  ) -> (output: Tensor, saved: Saved) {
    let rows = gates_NE.shape[0]
    let (experts, outputs, inputs) = (weight_EOI.shape[0], weight_EOI.shape[1], weight_EOI.shape[2])
    var scaled = Tensor(uninitialized: [rows, experts * inputs])
    kernels.gate_scale(
      activations_NEI.elements, gates_NE.elements, scaled.mutableElements, rows, experts, inputs)
    var output = Tensor(uninitialized: [rows, outputs])
    let y = output.mutableElements
    multiply(gates_NE.matrix, bias_EO.matrix, into: y)
    for expert in 0..<experts {
      multiply(
        MatrixView(
          scaled.elements + expert * inputs, rows: rows, columns: inputs,
          rowStride: experts * inputs),
        expertWeight(weight_EOI, expert).transposed, into: y,
        adding: .matrix(y, rowStride: outputs), precision: precision)
    }
    return (
      output,
      Saved(
        activations_NEI: activations_NEI, gates_NE: gates_NE, scaled_NEI: scaled,
        weight_EOI: weight_EOI, bias_EO: bias_EO)
    )
  }

  struct InputGradients {
    let activations_NEI, gates_NE, weight_EOI, bias_EO: Tensor
  }

  /// With `q_ne = W_eᵀ dy_n`:
  /// `dh_ne = g_ne q_ne`, `dg_ne = <q_ne, h_ne> + <dy_n, b_e>`, `dW_e = dyᵀ (g_e h_e)`, `db = gᵀ dy`.
  static func backward(
    _ gradient_NO: Tensor, _ saved: Saved, precision: Precision
  ) -> InputGradients {
    let rows = gradient_NO.shape.rowCount
    let (experts, inputs) = (saved.weight_EOI.shape[0], saved.weight_EOI.shape[2])
    let outputs = saved.weight_EOI.shape[1]
    var activations = Tensor(uninitialized: [rows, experts * inputs])
    var gates = Tensor(uninitialized: saved.gates_NE.shape)
    var weight = Tensor(uninitialized: saved.weight_EOI.shape)
    var bias = Tensor(uninitialized: saved.bias_EO.shape)
    multiply(gradient_NO.matrix, saved.bias_EO.matrix.transposed, into: gates.mutableElements)
    multiply(saved.gates_NE.matrix.transposed, gradient_NO.matrix, into: bias.mutableElements)
    let (q, dw) = (activations.mutableElements, weight.mutableElements)
    for expert in 0..<experts {
      multiply(
        gradient_NO.matrix, expertWeight(saved.weight_EOI, expert), into: q + expert * inputs,
        resultStride: experts * inputs, precision: precision)
      multiply(
        gradient_NO.matrix.transposed,
        MatrixView(
          saved.scaled_NEI.elements + expert * inputs, rows: rows, columns: inputs,
          rowStride: experts * inputs), into: dw + expert * outputs * inputs, precision: precision)
    }
    kernels.gate_backward(
      saved.activations_NEI.elements, saved.gates_NE.elements, q, gates.mutableElements, rows,
      experts, inputs)
    return InputGradients(
      activations_NEI: activations, gates_NE: gates, weight_EOI: weight, bias_EO: bias)
  }

  private static func expertWeight(_ weight_EOI: Tensor, _ expert: Int) -> MatrixView {
    let (outputs, inputs) = (weight_EOI.shape[1], weight_EOI.shape[2])
    return MatrixView(
      weight_EOI.elements + expert * outputs * inputs, rows: outputs, columns: inputs)
  }
}

extension Variable {
  /// The gated sum of the experts' output layers, `y_n = Σ_e g_ne (W_e h_ne + b_e)`.
  ///
  /// `self` holds the hidden activations h, E·I columns, expert e at columns e·I.
  /// - Parameters:
  ///   - gates: N×E.
  ///   - weight: E×O×I.
  ///   - bias: E×O.
  /// - Returns: N×O.
  /// - Complexity: O(N·E·I·O) time; keeps the activations and their scaled copy.
  public func expertMixture(gates: Variable, weight: Variable, bias: Variable) -> Variable {
    precondition(
      weight.shape.rank == 3 && gates.shape.rank == 2 && bias.shape.rank == 2
        && gates.shape[0] == shape.rowCount && gates.shape[1] == weight.shape[0]
        && shape.width == weight.shape[0] * weight.shape[2] && bias.shape[0] == weight.shape[0]
        && bias.shape[1] == weight.shape[1],
      "expertMixture: activations \(shape), gates \(gates.shape), weight \(weight.shape), "
        + "bias \(bias.shape)")
    let precision = tape.precision
    let (output, saved) = ExpertMixtureOperation.forward(
      activations_NEI: value, gates_NE: gates.value, weight_EOI: weight.value, bias_EO: bias.value,
      precision: precision)
    let nodes = (node, gates.node, weight.node, bias.node)
    return tape.record(output, inputs: self, gates, weight, bias) { gradient, slots in
      let gradients = ExpertMixtureOperation.backward(gradient, saved, precision: precision)
      slots.accumulate(gradients.activations_NEI, into: nodes.0)
      slots.accumulate(gradients.gates_NE, into: nodes.1)
      slots.accumulate(gradients.weight_EOI, into: nodes.2)
      slots.accumulate(gradients.bias_EO, into: nodes.3)
    }
  }
}
