internal import NanoCUDA
package import NanoTensor

extension Tensor {
  /// Moves selection biases, one an expert, by `rate` against the loads: `b_e += u · sign(mean load - load_e)`, less
  /// the mean of the signs.
  package mutating func moveSelectionBiases(against loads: [Int], by rate: Float) {
    if let gpu {
      let loads = Tensor(loads.map(Float.init), shape: shape).on(device)
      gpu.launch(
        Kernel("routing", "update_selection_biases"), blocks: 1, threads: 256,
        [loads.argument, .output(&self), .int(elementCount), .float(rate)])
      return
    }
    let total = loads.reduce(0, +)
    // load < total / count, in whole numbers
    let signs = loads.map { Float((total - $0 * loads.count).signum()) }
    let mean = signs.reduce(0, +) / Float(signs.count)
    withMutableElements { biases in
      for (index, sign) in signs.enumerated() { biases[index] += rate * (sign - mean) }
    }
  }
}
