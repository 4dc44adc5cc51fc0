@testable import NanoAutograd
import NanoTensor
import TensorTestSupport
import Testing

/// Operations give the same values and gradients on a GPU, here the emulated one, as on the host.
@Suite(.enabled(if: EmulatedGPU.isAvailable, "\(EmulatedGPU.reasonToSkip ?? "")"))
struct DeviceOperationTests {
  /// A scalar of some parameters, computed on both.
  private func compare(
    _ parameters: [Parameter], precision: Precision = .float32, tolerance: Float = 2e-6,
    _ body: ([Variable]) -> Variable
  ) throws {
    func run(_ parameters: [Parameter]) -> (Float, [Tensor?]) {
      let (value, gradients) = valueWithGradients(precision: precision) { tape in
        body(parameters.map { tape.variable($0) })
      }
      return (value, parameters.map { gradients[$0.id] })
    }
    let host = run(parameters)
    try EmulatedGPU.withDevice { device in
      let moved = parameters.map { Parameter($0.value.on(device), role: $0.role) }
      let gpu = run(moved)
      #expect(abs(gpu.0 - host.0) <= tolerance * max(1, abs(host.0)))
      for (index, (left, right)) in zip(host.1, gpu.1).enumerated() {
        guard let left, let right else {
          #expect(left == nil && right == nil, "gradient \(index)")
          continue
        }
        let difference = (left - right.on(.cpu)).sumOfSquares.squareRoot()
        #expect(
          difference <= Double(tolerance) * max(1e-3, left.sumOfSquares.squareRoot()),
          "gradient \(index) is \(difference) off, norm \(left.sumOfSquares.squareRoot())")
      }
    }
  }

  private func random(_ shape: Shape, _ seed: UInt64, scale: Float = 1) -> Parameter {
    var generator = RandomGenerator(seed: seed)
    return Parameter(
      Tensor(normal: shape, standardDeviation: scale, using: &generator), role: .hiddenMatrix(count: 1))
  }

  /// Weighs a result so that its gradient is no constant.
  private func weighed(_ variable: Variable) -> Variable {
    (variable * variable).sum() + variable.sum()
  }

  /// A kernel that writes in place writes what no other tensor holds.
  @Test func whatIsWrittenInPlaceIsCopiedWhereItIsShared() throws {
    try EmulatedGPU.withDevice { device in
      var scaled = Tensor([1, 2], shape: [2]).on(device)
      let (before, factor) = (scaled, Tensor([3], shape: []).on(device))
      scaled.scale(by: factor)
      #expect(scaled.scalars == [3, 6] && before.scalars == [1, 2])
      let memory = scaled.storageNumber
      scaled.scale(by: factor)
      #expect(scaled.scalars == [9, 18] && scaled.storageNumber == memory)
    }
  }

  @Test(arguments: [[7, 5], [64, 192]])
  func arithmetic(_ extents: [Int]) throws {
    let shape = Shape(extents)
    try compare([random(shape, 1), random(shape, 2)]) { v in
      weighed((v[0] + v[1]) * v[0] - v[1] * 3)
    }
  }

  @Test func shiftsAndRowsForAll() throws {
    try compare([random([12, 5], 1), random([5], 2)]) { v in
      weighed(
        v[0].shifted(by: 2, sequenceLength: 4) * v[1].broadcast(rows: 12) + v[0].shifted(by: -1, sequenceLength: 4))
    }
  }

  @Test func causalConvolutions() throws {
    try compare([random([12, 5], 1), random([3, 5], 2)]) { v in
      weighed(v[0].causalConvolution(weight: v[1], sequenceLength: 4))
    }
  }

  @Test(arguments: [Precision.float32, .bfloat16], [[5, 7, 3], [130, 64, 40]])
  func linear(_ precision: Precision, _ sizes: [Int]) throws {
    let (rows, inputs, outputs) = (sizes[0], sizes[1], sizes[2])
    try compare(
      [random([rows, inputs], 1), random([outputs, inputs], 2, scale: 0.3), random([outputs], 3)],
      precision: precision, tolerance: precision == .float32 ? 4e-6 : 6e-3
    ) { v in
      weighed(v[0].linear(weight: v[1], bias: v[2]))
    }
  }

  @Test(arguments: [Precision.float32, .bfloat16], [33, 64])
  func norms(_ precision: Precision, _ width: Int) throws {
    // Several blocks of rows.
    let parameters = [random([150, width], 1), random([width], 2), random([width], 3)]
    let tolerance: Float = precision == .float32 ? 1e-5 : 2e-2
    try compare(parameters, precision: precision, tolerance: tolerance) { v in
      weighed(v[0].layerNorm(gain: v[1], bias: v[2]))
    }
    try compare(Array(parameters.prefix(2)), precision: precision, tolerance: tolerance) { v in
      weighed(v[0].rmsNorm(gain: v[1]))
    }
  }

  @Test func activations() throws {
    let x = [random([9, 14], 1)]
    try compare(x, tolerance: 1e-5) { weighed($0[0].relu()) }
    try compare(x, tolerance: 1e-5) { weighed($0[0].gelu()) }
    try compare(x, tolerance: 1e-5) { weighed($0[0].silu()) }
    try compare(x, tolerance: 1e-5) { weighed($0[0].swiGLU()) }
  }

  @Test(arguments: [Precision.float32, .bfloat16], [FeedForwardActivation.relu, .gelu, .swiGLU])
  func feedForward(_ precision: Precision, _ activation: FeedForwardActivation) throws {
    let inner = activation == .swiGLU ? 24 : 48
    try compare(
      [
        random([37, 16], 1), random([48, 16], 2, scale: 0.3), random([48], 3), random([16, inner], 4, scale: 0.3),
        random([16], 5),
      ], precision: precision, tolerance: precision == .float32 ? 1e-5 : 2e-2
    ) { v in
      weighed(
        v[0].feedForward(
          expansion: v[1], expansionBias: v[2], contraction: v[3], contractionBias: v[4], activation: activation))
    }
  }

  /// Products add what other operations have given an input already.
  @Test(arguments: [Precision.float32, .bfloat16])
  func gradientsOfOneInputAddUp(_ precision: Precision) throws {
    let parameters =
      [random([37, 16], 1), random([16], 2)]
      + (3..<7).map { random([16, 16], $0, scale: 0.3) } + [random([16], 7)]
    try compare(parameters, precision: precision, tolerance: precision == .float32 ? 1e-5 : 2e-2) { v in
      let x = v[0].rmsNorm(gain: v[1])
      let network = x.feedForward(expansion: v[4], contraction: v[5], activation: .gelu)
      return weighed(x.linear(weight: v[2]) * x.linear(weight: v[3], bias: v[6]) + network + x)
    }
  }

  @Test(arguments: [6, 64])
  func gathered(_ width: Int) throws {
    let indices = (0..<300).map { Int32($0 * 37 % 40) }
    try compare([random([70, width], 1)], tolerance: 1e-5) { weighed($0[0].gathered(indices)) }
  }

  @Test(arguments: [Precision.float32, .bfloat16], [11, 600])
  func crossEntropies(_ precision: Precision, _ classes: Int) throws {
    var targets = (0..<50).map { Int32($0 * 7 % classes) }
    targets[3] = -1
    let parameters = [random([50, 16], 1), random([classes, 16], 2)]
    try compare(parameters, precision: precision, tolerance: precision == .float32 ? 1e-5 : 2e-2) { v in
      v[0].linear(weight: v[1]).crossEntropy(targets: targets) * 3
    }
    try compare(parameters, precision: precision, tolerance: precision == .float32 ? 1e-5 : 2e-2) { v in
      v[0].linearCrossEntropy(weight: v[1], targets: targets) * 3
    }
  }

  /// Blocks of rows, the last one smaller, give what all rows at once give.
  @Test(arguments: [Precision.float32, .bfloat16])
  func crossEntropyInBlocks(_ precision: Precision) throws {
    let (input, weight) = (random([20, 16], 1), random([30, 16], 2))
    let targets = (0..<20).map { Int32($0 * 7 % 31) - 1 }
    try EmulatedGPU.withDevice { device in
      let operands = LinearCrossEntropyOperation.Saved(
        input_ND: Activation(input.value.on(device), format: precision.activationFormat),
        weight_VD: Weight(tensor: weight.value.on(device), packedWeights: nil))
      func result(blockRows: Int) throws -> [[Float]] {
        let (loss, gradients) = LinearCrossEntropyOperation.forward(
          on: try #require(device.gpu), operands, targets: targets, blockRows: blockRows, precision: precision,
          wantsGradients: true)
        let (input, weight) = try #require(gradients)
        return [loss, input, weight].map(\.scalars)
      }
      for (whole, blocks) in zip(try result(blockRows: 20), try result(blockRows: 8)) {
        #expect(relativeDifference(whole, blocks) < 1e-6)
      }
    }
  }

  @Test func gradientsOfATiedWeightAddUp() throws {
    let targets = (0..<20).map { Int32($0 % 9) }
    try compare([random([9, 8], 1)], tolerance: 1e-5) { v in
      v[0].gathered(targets).linearCrossEntropy(weight: v[0], targets: targets)
    }
  }
}
