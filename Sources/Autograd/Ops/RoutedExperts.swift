internal import CNanoKernels
internal import NanoTensor

// N rows, E experts, k chosen ones a row, M = N·k assignments, D model width, F expert width.

/// A sparse mixture of SwiGLU experts: rows are sorted by expert, each expert runs on its own rows alone.
enum RoutedExpertsOperation {
  /// Assignments sorted by expert, stably: which rows each expert works on.
  struct Plan {
    /// Row of every sorted assignment.
    let rows: [Int32]
    /// Place among the sorted ones of assignment n·k + slot.
    let places: [Int32]
    /// Sorted assignments of each expert.
    let ranges: [Range<Int>]

    init(_ selection: ExpertSelection) {
      var starts = [0]
      for load in selection.loads { starts.append(starts.last! + load) }
      ranges = zip(starts, starts.dropFirst()).map { $0..<$1 }
      var next = starts
      var rows = [Int32](repeating: 0, count: selection.experts.count)
      var places = rows
      for (assignment, expert) in selection.experts.enumerated() {
        let place = next[Int(expert)]
        next[Int(expert)] += 1
        rows[place] = Int32(assignment / selection.countPerRow)
        places[assignment] = Int32(place)
      }
      self.rows = rows
      self.places = places
    }
  }

  struct Saved {
    let input_ND: KeptTensor
    let weights_NK: Tensor
    let gateUp_EFD: Tensor
    let down_EDF: Tensor
    /// Outputs of the first maps, M×2F, sorted by expert.
    let hidden_MF: KeptTensor
    let plan: Plan
  }

  static func forward(
    input_ND: Tensor, weights_NK: Tensor, gateUp_EFD: Tensor, down_EDF: Tensor, plan: Plan,
    precision: Precision, keep: (Tensor) -> KeptTensor
  ) -> (output: Tensor, saved: Saved) {
    let (width, expertWidth) = (input_ND.shape.width, down_EDF.shape.width)
    let sorted = gathered(input_ND, plan.rows)
    var hidden = Tensor(uninitialized: [plan.rows.count, 2 * expertWidth])
    forEachExpert(plan, sorted, gateUp_EFD) { expert, range, rows in
      multiply(
        rows, matrix(gateUp_EFD, expert).transposed,
        into: hidden.mutableElements + range.lowerBound * 2 * expertWidth, precision: precision)
    }
    let saved = Saved(
      input_ND: keep(input_ND), weights_NK: weights_NK, gateUp_EFD: gateUp_EFD, down_EDF: down_EDF,
      hidden_MF: keep(hidden), plan: plan)
    // Weighing the activations, F wide, is less work than weighing the outputs, D wide.
    let (_, scaled) = activations(hidden, weights_NK, plan)
    var outputs = Tensor(uninitialized: [plan.rows.count, width])
    forEachExpert(plan, scaled, down_EDF) { expert, range, rows in
      multiply(
        rows, matrix(down_EDF, expert).transposed,
        into: outputs.mutableElements + range.lowerBound * width, precision: precision)
    }
    return (combined(outputs, plan, rowCount: input_ND.shape.rowCount), saved)
  }

  static func backward(
    _ gradient_ND: Tensor, _ saved: Saved, precision: Precision
  ) -> (input: Tensor, weights: Tensor, gateUp: Tensor, down: Tensor) {
    let (plan, hidden) = (saved.plan, saved.hidden_MF.tensor)
    let (width, expertWidth, count) = (
      gradient_ND.shape.width, saved.down_EDF.shape.width, plan.rows.count
    )
    let (plain, scaled) = activations(hidden, saved.weights_NK, plan)
    let outputGradient = gathered(gradient_ND, plan.rows)
    var down = Tensor(uninitialized: saved.down_EDF.shape)
    var activationGradient = Tensor(uninitialized: [count, expertWidth])
    forEachExpert(plan, outputGradient, saved.down_EDF) { expert, range, rows in
      multiply(
        rows.transposed, part(scaled, range), into: block(&down, expert), precision: precision)
      multiply(
        rows, matrix(saved.down_EDF, expert),
        into: activationGradient.mutableElements + range.lowerBound * expertWidth,
        precision: precision)
    }
    // From the weighted activations to the weights and to the activations.
    let sortedWeights = sorted(saved.weights_NK, plan)
    var sortedWeightGradient = Tensor(zeros: [count])
    kernels.gate_backward(
      plain.elements, sortedWeights.elements, activationGradient.mutableElements,
      sortedWeightGradient.mutableElements, count, 1, expertWidth)

    var hiddenGradient = Tensor(uninitialized: hidden.shape)
    kernels.swiglu_backward(
      hidden.elements, activationGradient.elements, hiddenGradient.mutableElements, count,
      expertWidth)
    let input = gathered(saved.input_ND.tensor, plan.rows)
    var gateUp = Tensor(uninitialized: saved.gateUp_EFD.shape)
    var sortedInputGradient = Tensor(uninitialized: [count, width])
    forEachExpert(plan, hiddenGradient, saved.gateUp_EFD) { expert, range, rows in
      multiply(
        rows.transposed, part(input, range), into: block(&gateUp, expert), precision: precision)
      multiply(
        rows, matrix(saved.gateUp_EFD, expert),
        into: sortedInputGradient.mutableElements + range.lowerBound * width, precision: precision)
    }
    var weightGradient = Tensor(uninitialized: saved.weights_NK.shape)
    let dw = weightGradient.mutableElements
    for (assignment, place) in plan.places.enumerated() {
      dw[assignment] = sortedWeightGradient.elements[Int(place)]
    }
    return (
      combined(sortedInputGradient, plan, rowCount: gradient_ND.shape.rowCount), weightGradient,
      gateUp, down
    )
  }

  // MARK: Parts

  /// The SwiGLU activations, M×F, plain and times the weight of their assignment.
  private static func activations(
    _ hidden_MF: Tensor, _ weights_NK: Tensor, _ plan: Plan
  ) -> (plain: Tensor, scaled: Tensor) {
    let (count, width) = (plan.rows.count, hidden_MF.shape.width / 2)
    var plain = Tensor(uninitialized: [count, width])
    kernels.swiglu(hidden_MF.elements, plain.mutableElements, count, width)
    let weights = sorted(weights_NK, plan)
    var scaled = Tensor(uninitialized: [count, width])
    kernels.gate_scale(
      plain.elements, weights.elements, scaled.mutableElements, count, 1, width)
    return (plain, scaled)
  }

  /// One value an assignment, in the order of the sorted ones.
  private static func sorted(_ values_NK: Tensor, _ plan: Plan) -> Tensor {
    var result = Tensor(uninitialized: [values_NK.elementCount])
    let destination = result.mutableElements
    for (assignment, place) in plan.places.enumerated() {
      destination[Int(place)] = values_NK.elements[assignment]
    }
    return result
  }

  private static func gathered(_ tensor: Tensor, _ rows: [Int32]) -> Tensor {
    GatherOperation.forward(table: tensor, indices: rows)
  }

  /// The sum of each row's k assignments, in the order of its slots.
  private static func combined(_ outputs_MD: Tensor, _ plan: Plan, rowCount: Int) -> Tensor {
    let (width, k) = (outputs_MD.shape.width, plan.places.count / rowCount)
    var result = Tensor(uninitialized: [rowCount, width])
    let destination = result.mutableElements
    for row in 0..<rowCount {
      let target = destination + row * width
      for slot in 0..<k {
        let source = outputs_MD.elements + Int(plan.places[row * k + slot]) * width
        if slot == 0 {
          target.update(from: source, count: width)
        } else {
          kernels.add(target, source, target, width)
        }
      }
    }
    return result
  }

  private static func forEachExpert(
    _ plan: Plan, _ sorted: Tensor, _ weight: Tensor,
    _ body: (_ expert: Int, _ range: Range<Int>, _ rows: MatrixView) -> Void
  ) {
    // Also for an expert without rows: its weight gradients are then written as zeros.
    for (expert, range) in plan.ranges.enumerated() { body(expert, range, part(sorted, range)) }
  }

  private static func part(_ tensor: Tensor, _ range: Range<Int>) -> MatrixView {
    MatrixView(
      tensor.elements + range.lowerBound * tensor.shape.width, rows: range.count,
      columns: tensor.shape.width)
  }

  private static func matrix(_ stack: Tensor, _ expert: Int) -> MatrixView {
    let (rows, columns) = (stack.shape[1], stack.shape[2])
    return MatrixView(stack.elements + expert * rows * columns, rows: rows, columns: columns)
  }

  private static func block(_ stack: inout Tensor, _ expert: Int) -> UnsafeMutablePointer<Float> {
    stack.mutableElements + expert * stack.shape[1] * stack.shape[2]
  }
}

extension Variable {
  /// The weighted sum of each row's chosen experts, `y_n = Σ_i w_ni · W_down (silu(W_gate x) · W_up x)`.
  ///
  /// Dropless: every chosen expert runs, whatever its load; the others do not.
  /// - Parameters:
  ///   - weights: N×k.
  ///   - selection: who was chosen.
  ///   - gateUp: E×2F×D, each expert's gate rows above its up rows.
  ///   - down: E×D×F.
  /// - Returns: N×D.
  /// - Complexity: O(N·k·D·F) time; keeps the input and N·k·2F activations.
  public func routedExperts(
    weights: Variable, selection: ExpertSelection, gateUp: Variable, down: Variable
  ) -> Variable {
    precondition(
      gateUp.shape.rank == 3 && down.shape.rank == 3 && gateUp.shape.width == shape.width
        && down.shape[1] == shape.width && gateUp.shape[1] == 2 * down.shape.width
        && gateUp.shape[0] == selection.expertCount && down.shape[0] == selection.expertCount
        && selection.rowCount == shape.rowCount
        && weights.value.elementCount == selection.experts.count,
      "routedExperts: input \(shape), weights \(weights.shape), \(selection.rowCount) rows chosen, "
        + "gate and up \(gateUp.shape), down \(down.shape)")
    let precision = tape.precision
    let (output, saved) = RoutedExpertsOperation.forward(
      input_ND: value, weights_NK: weights.value, gateUp_EFD: gateUp.value, down_EDF: down.value,
      plan: RoutedExpertsOperation.Plan(selection), precision: precision, keep: tape.keep)
    let nodes = (node, weights.node, gateUp.node, down.node)
    return tape.record(output, inputs: self, weights, gateUp, down) { gradient, slots in
      let gradients = RoutedExpertsOperation.backward(gradient, saved, precision: precision)
      slots.accumulate(gradients.input, into: nodes.0)
      slots.accumulate(gradients.weights, into: nodes.1)
      slots.accumulate(gradients.gateUp, into: nodes.2)
      slots.accumulate(gradients.down, into: nodes.3)
    }
  }
}
