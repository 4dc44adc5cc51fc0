internal import NanoCUDA
internal import NanoPreconditions
internal import NanoTensor

// N rows, E experts, k chosen ones a row, M = N·k assignments, D model width, F expert width.

/// A sparse mixture of SwiGLU experts: rows are sorted by expert, each expert runs on its own rows alone, from
/// the first map to the sum of the outputs, so that what lies between stays in the cache. Activations have the
/// precision's own format.
enum RoutedExpertsOperation {
  /// Assignments sorted by expert, stably: which rows each expert works on.
  struct Plan {
    /// Row of every sorted assignment.
    let rows: [Int32]
    /// Place among the sorted ones of assignment n·k + slot.
    let places: [Int32]
    /// Sorted assignments of each expert.
    let ranges: [Range<Int>]
    /// Assignments of the busiest expert.
    let largestLoad: Int

    init(_ selection: ExpertSelection) {
      var starts = [0]
      for load in selection.loads { starts.append(starts.last! + load) }
      ranges = zip(starts, starts.dropFirst()).map { $0..<$1 }
      largestLoad = selection.loads.max() ?? 0
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
    let input_ND: Activation
    let weights_NK: Tensor
    let gateUp_EFD: Weight
    let down_EDF: Weight
    /// Outputs of the first maps, M×2F, sorted by expert.
    let hidden_MF: Activation
    let plan: Plan
  }

  static func forward(
    input_ND: Activation, weights_NK: Tensor, gateUp_EFD: Weight, down_EDF: Weight, plan: Plan,
    precision: Precision
  ) -> (output: Tensor, saved: Saved) {
    let (width, expertWidth) = (input_ND.shape.width, down_EDF.shape.width)
    let format = precision.activationFormat
    let weights = sorted(weights_NK, plan)
    var hidden = Activation(
      uninitialized: [plan.rows.count, 2 * expertWidth], format: format)
    var result = Tensor(zeros: input_ND.shape)
    // Rows of one expert after the other.
    var rows = Activation(uninitialized: [plan.largestLoad, width], format: input_ND.format)
    var activations = Activation(uninitialized: [plan.largestLoad, expertWidth], format: format)
    var outputs = Tensor(uninitialized: [plan.largestLoad, width])
    for (expert, range) in plan.ranges.enumerated() {
      let (own, first) = (0..<range.count, range.lowerBound)
      kernels.gatherRows(of: input_ND, plan.rows[range], into: &rows)
      matmul(
        rows.matrix(rows: own), gateUp_EFD[expert].transposed, into: &hidden, from: first * 2 * expertWidth,
        precision: precision)
      // Weighing the activations, F wide, is less work than weighing the outputs, D wide.
      kernels.gatedSwiGLU(
        hidden.numbers.advanced(by: first * 2 * expertWidth), gates: weights.numbers.advanced(by: first),
        rows: range.count, width: expertWidth, into: &activations)
      matmul(
        activations.matrix(rows: own), down_EDF[expert].transposed, into: &outputs, precision: precision)
      kernels.addRows(outputs, at: plan.rows[range], to: &result)
    }
    let saved = Saved(
      input_ND: input_ND, weights_NK: weights_NK, gateUp_EFD: gateUp_EFD, down_EDF: down_EDF,
      hidden_MF: hidden, plan: plan)
    return (result, saved)
  }

  static func backward(
    _ gradient_ND: Tensor, _ saved: Saved, precision: Precision
  ) -> (input: Tensor, weights: Tensor, gateUp: Tensor, down: Tensor) {
    let plan = saved.plan
    let (width, expertWidth, count) = (
      gradient_ND.shape.width, saved.down_EDF.shape.width, plan.rows.count
    )
    let format = precision.activationFormat
    let outputGradient = Activation(gradient_ND, format: format)
    let weights = sorted(saved.weights_NK, plan)
    var sortedWeightGradient = Tensor(zeros: [count])
    var down = Tensor(uninitialized: saved.down_EDF.shape)
    var gateUp = Tensor(uninitialized: saved.gateUp_EFD.shape)
    var inputGradient = Tensor(zeros: gradient_ND.shape)
    // Rows of one expert after the other.
    func room(_ width: Int, _ format: HalfTensor.Format?) -> Activation {
      Activation(uninitialized: [plan.largestLoad, width], format: format)
    }
    var rows = room(width, format)
    var (scaled, gradient) = (room(expertWidth, format), room(expertWidth, format))
    var hiddenGradient = room(2 * expertWidth, format)
    var inputGradients = Tensor(uninitialized: [plan.largestLoad, width])
    // Also for an expert without rows: its weight gradients are then written as zeros.
    for (expert, range) in plan.ranges.enumerated() {
      let (own, first) = (0..<range.count, range.lowerBound)
      kernels.gatherRows(of: outputGradient, plan.rows[range], into: &rows)
      matmul(
        rows.matrix(rows: own), saved.down_EDF[expert], into: &gradient, precision: precision)
      // From the weighted activations to the weights and to the first map's outputs.
      kernels.gatedSwiGLUBackward(
        saved.hidden_MF.numbers.advanced(by: first * 2 * expertWidth), gates: weights.numbers.advanced(by: first),
        gradient, rows: range.count, width: expertWidth, into: &hiddenGradient,
        gateGradient: &sortedWeightGradient, from: first, activations: &scaled)
      matmul(
        rows.matrix(rows: own).transposed, scaled.matrix(rows: own), into: &down,
        from: expert * width * expertWidth, precision: precision)

      kernels.gatherRows(of: saved.input_ND, plan.rows[range], into: &rows)
      matmul(
        hiddenGradient.matrix(rows: own).transposed, rows.matrix(rows: own), into: &gateUp,
        from: expert * 2 * expertWidth * width, precision: precision)
      matmul(
        hiddenGradient.matrix(rows: own), saved.gateUp_EFD[expert], into: &inputGradients, precision: precision)
      kernels.addRows(inputGradients, at: plan.rows[range], to: &inputGradient)
    }
    let dw = sortedWeightGradient.scalars
    let weightGradient = Tensor(plan.places.map { dw[Int($0)] }, shape: saved.weights_NK.shape)
    return (inputGradient, weightGradient, gateUp, down)
  }

  // MARK: GPU

  struct SavedOnGPU {
    let input_ND: Activation
    let weights_NK: Tensor
    let gateUp_EFD, down_EDF: Activation
    /// Sorted by expert, as on the host.
    var hidden_MF: Activation
    let plan: DispatchPlan
    let gpu: CUDADevice
  }

  /// Extents of tiles of the grouped products: assignments, columns of a result, and channels of hidden values.
  fileprivate static let (tileRows, tileColumns, tileChannels, tileThreads) = (128, 64, 32, 128)

  static func forward(
    input_ND: Activation, weights_NK: Tensor, gateUp_EFD: Weight, down_EDF: Weight,
    plan: DispatchPlan, precision: Precision, on gpu: CUDADevice
  ) -> (output: Tensor, saved: SavedOnGPU) {
    let format = precision.activationFormat
    var s = SavedOnGPU(
      input_ND: input_ND.rounded(to: format), weights_NK: weights_NK,
      gateUp_EFD: gateUp_EFD.operand(in: precision), down_EDF: down_EDF.operand(in: precision),
      hidden_MF: Activation(
        uninitialized: [plan.assignmentCount, 2 * down_EDF.shape.width], format: format, on: gpu),
      plan: plan, gpu: gpu)
    var activations = Activation(
      uninitialized: [plan.assignmentCount, s.expertWidth], format: format, on: gpu)
    var outputs = Tensor(uninitialized: [plan.assignmentCount, s.width], on: gpu)
    // Made first: while it launches, what is saved holds the hidden values, too.
    let arguments: [KernelArgument] = [
      s.input_ND.argument, s.gateUp_EFD.argument, weights_NK.argument, plan.order.argument,
      plan.offsets.argument, .output(&s.hidden_MF), .output(&activations), .int(plan.expertCount),
      .int(plan.countPerRow), .int(s.width), .int(s.expertWidth),
    ]
    s.launch("experts_hidden", columns: s.expertWidth, of: tileChannels, arguments)
    s.launch(
      "experts_output", columns: s.width, of: tileColumns,
      [
        activations.argument, s.down_EDF.argument, plan.offsets.argument, .output(&outputs),
        .int(plan.expertCount), .int(s.width), .int(s.expertWidth),
      ])
    return (s.combined(outputs, like: input_ND.shape), s)
  }

  /// - Parameter other: what is added to the input's gradient.
  static func backward(
    _ gradient_ND: Activation, _ s: SavedOnGPU, adding other: Activation?
  ) -> (input: Tensor, weights: Tensor, gateUp: Tensor, down: Tensor) {
    let (plan, gpu, format) = (s.plan, s.gpu, s.hidden_MF.format)
    let (count, width, expertWidth) = (plan.assignmentCount, s.width, s.expertWidth)
    let (experts, k) = (plan.expertCount, plan.countPerRow)
    let gradient = gradient_ND.rounded(to: format)
    var hiddenGradient = Activation(uninitialized: s.hidden_MF.shape, format: format, on: gpu)
    var activations = Activation(uninitialized: [count, expertWidth], format: format, on: gpu)
    // Of each assignment's weight, a part of the gradient from every tile of columns.
    let parts = (expertWidth + tileColumns - 1) / tileColumns
    var weightParts = Tensor(uninitialized: [parts, count], on: gpu)
    s.launch(
      "experts_activation_backward", columns: expertWidth, of: tileColumns,
      [
        gradient.argument, s.down_EDF.argument, s.hidden_MF.argument, s.weights_NK.argument,
        plan.order.argument, plan.offsets.argument, .output(&hiddenGradient), .output(&activations),
        .output(&weightParts), .int(experts), .int(k), .int(width), .int(expertWidth), .int(count),
      ])
    let (down, gateUp, inputGradients) = s.gradients(gradient, activations, hiddenGradient)
    let (input, weights) = s.combinedGradients(inputGradients, like: gradient_ND.shape, adding: other, weightParts)
    return (input, weights, gateUp, down)
  }

  // MARK: Parts

  /// One value an assignment, in the order of the sorted ones.
  private static func sorted(_ values_NK: Tensor, _ plan: Plan) -> Tensor {
    var result = Tensor(uninitialized: [values_NK.elementCount])
    values_NK.withElements { values in
      result.withMutableElements { sorted in
        for (assignment, place) in plan.places.enumerated() { sorted[Int(place)] = values[assignment] }
      }
    }
    return result
  }
}

extension RoutedExpertsOperation.SavedOnGPU {
  var width: Int { input_ND.shape.width }
  var expertWidth: Int { down_EDF.shape.width }

  /// Row tiles that there can be: the experts' last ones are partial.
  private var rowTiles: Int {
    let tileRows = RoutedExpertsOperation.tileRows
    return (plan.assignmentCount + tileRows - 1) / tileRows + plan.expertCount
  }

  /// Launches a grouped product whose result has so many columns.
  func launch(_ name: String, columns: Int, of tileColumns: Int, _ arguments: [KernelArgument]) {
    launch(name, blocks: (columns + tileColumns - 1) / tileColumns * rowTiles, arguments)
  }

  private func launch(_ name: String, blocks: Int, _ arguments: [KernelArgument]) {
    gpu.launch(
      Kernel("experts", name + (hidden_MF.format == nil ? "_fp32" : "_bf16")), blocks: blocks,
      threads: RoutedExpertsOperation.tileThreads, arguments)
  }

  /// The sums over the assignments of each row, N×D, of `values_MD`.
  func combined(_ values_MD: Tensor, like shape: Shape) -> Tensor {
    var none: Tensor?
    return combined(values_MD, like: shape, adding: nil, weightParts: nil, into: &none)
  }

  /// The same, and of `other`, if there is one; and of each weight the sum over the parts of its gradient.
  func combinedGradients(
    _ gradients_MD: Tensor, like shape: Shape, adding other: Activation?, _ weightParts: Tensor
  ) -> (input: Tensor, weights: Tensor) {
    var weights: Tensor? = Tensor(uninitialized: weights_NK.shape, on: gpu)
    let input = combined(gradients_MD, like: shape, adding: other, weightParts: weightParts, into: &weights)
    return (input, weights!)
  }

  private func combined(
    _ values_MD: Tensor, like shape: Shape, adding other: Activation?, weightParts: Tensor?,
    into weightGradient_NK: inout Tensor?
  ) -> Tensor {
    var result = Tensor(uninitialized: shape, on: gpu)
    gpu.launch(
      Kernel("experts", "experts_combine"), blocks: (plan.rowCount + 7) / 8, threads: 256,
      [
        values_MD.argument, plan.places.argument, weightParts?.argument ?? .pointer(nil),
        other?.argument ?? .pointer(nil), other?.numbers.formatArgument ?? .int(0), .output(&result),
        .output(&weightGradient_NK), .int(plan.rowCount), .int(plan.countPerRow),
        .int(width), .int(weightParts?.shape[0] ?? 0), .int(plan.assignmentCount),
      ])
    return result
  }

  /// Those of the weights are sums over an expert's assignments, in slices where there are few tiles to keep a GPU
  /// busy; those of the inputs are an assignment's each, M×D.
  func gradients(
    _ gradient: Activation, _ activations: Activation, _ hiddenGradient: Activation
  ) -> (down: Tensor, gateUp: Tensor, inputs: Tensor) {
    let (tileRows, tileColumns) = (
      RoutedExpertsOperation.tileRows, RoutedExpertsOperation.tileColumns
    )
    func tiles(_ rows: Int, _ columns: Int) -> Int {
      ((rows + tileRows - 1) / tileRows) * ((columns + tileColumns - 1) / tileColumns)
    }
    let tileCount = tiles(width, expertWidth) + tiles(2 * expertWidth, width)
    let count = plan.assignmentCount
    let wanted = 4 * gpu.multiprocessorCount
    let slice = max(256, (count * tileCount / wanted + 31) / 32 * 32)
    let slices = (count + slice - 1) / slice + plan.expertCount
    // An expert of more than one slice has at least `slice` assignments.
    var partial = Tensor(
      uninitialized: [min(slices, 2 * count / slice), 3 * width * expertWidth], on: gpu)
    var down = Tensor(uninitialized: down_EDF.shape, on: gpu)
    var gateUp = Tensor(uninitialized: gateUp_EFD.shape, on: gpu)
    var inputs = Tensor(uninitialized: [count, width], on: gpu)
    launch(
      "experts_gradients", blocks: tileCount * slices + tiles(1, width) * rowTiles,
      [
        gradient.argument, activations.argument, hiddenGradient.argument, input_ND.argument,
        gateUp_EFD.argument, plan.order.argument, plan.offsets.argument, .output(&partial),
        .output(&down), .output(&gateUp), .output(&inputs), .int(plan.expertCount),
        .int(plan.countPerRow), .int(width), .int(expertWidth), .int(slice), .int(tileCount),
        .int(tileCount * slices),
      ])
    gpu.launch(
      Kernel("experts", "experts_add_slices"),
      grid: (min(64, (3 * width * expertWidth + 255) / 256), plan.expertCount, 1), threads: 256,
      [
        partial.argument, plan.offsets.argument, .output(&down), .output(&gateUp), .int(width),
        .int(expertWidth), .int(slice),
      ])
    return (down, gateUp, inputs)
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
    checkPrecondition(
      gateUp.shape.rank == 3 && down.shape.rank == 3 && gateUp.shape.width == shape.width
        && down.shape[1] == shape.width && gateUp.shape[1] == 2 * down.shape.width
        && gateUp.shape[0] == selection.expertCount && down.shape[0] == selection.expertCount
        && selection.rowCount == shape.rowCount
        && weights.shape.elementCount == selection.rowCount * selection.countPerRow,
      "routedExperts: input \(shape), weights \(weights.shape), \(selection.rowCount) rows chosen, "
        + "gate and up \(gateUp.shape), down \(down.shape)")
    let precision = tape.precision
    let (nodes, inputFormat) = ((node, weights.node, gateUp.node, down.node), content.format)
    if let plan = selection.plan, let gpu = content.gpu {
      let (output, saved) = RoutedExpertsOperation.forward(
        input_ND: tape.keep(self), weights_NK: weights.value, gateUp_EFD: gateUp.weight,
        down_EDF: down.weight, plan: plan, precision: precision, on: gpu)
      return tape.record(.whole(output), inputs: [self, weights, gateUp, down]) { gradient, slots in
        let gradients = RoutedExpertsOperation.backward(
          gradient, saved, adding: slots.takeOnGPU(nodes.0, format: inputFormat))
        slots.accumulate(gradients.input, into: nodes.0)
        slots.accumulate(gradients.weights, into: nodes.1)
        slots.accumulate(gradients.gateUp, into: nodes.2)
        slots.accumulate(gradients.down, into: nodes.3)
      }
    }
    let (output, saved) = RoutedExpertsOperation.forward(
      input_ND: tape.keep(self), weights_NK: weights.value, gateUp_EFD: gateUp.weight,
      down_EDF: down.weight, plan: RoutedExpertsOperation.Plan(selection), precision: precision)
    return tape.record(output, inputs: self, weights, gateUp, down) { gradient, slots in
      let gradients = RoutedExpertsOperation.backward(gradient, saved, precision: precision)
      slots.accumulate(gradients.input, into: nodes.0)
      slots.accumulate(gradients.weights, into: nodes.1)
      slots.accumulate(gradients.gateUp, into: nodes.2)
      slots.accumulate(gradients.down, into: nodes.3)
    }
  }
}
