import NanoAutograd
import NanoTensor
import TensorTestSupport
import Testing

/// Attention gives the same values, gradients and largest logits on a GPU, here the emulated one, as on the host.
@Suite(.enabled(if: EmulatedGPU.isAvailable, "\(EmulatedGPU.reasonToSkip ?? "")"))
struct DeviceAttentionTests {
  private struct Outcome {
    var value: Tensor
    var gradients: [Tensor]
    var largest: Tensor?
  }

  /// What an operation makes of inputs on a device, and the gradients of `cotangent · output`.
  private func outcome(
    _ inputs: [Tensor], on device: Device, _ precision: Precision,
    _ body: ([Variable], @escaping (Tensor) -> Void) -> Variable
  ) throws -> Outcome {
    let parameters = inputs.map { Parameter($0.on(device), role: .gain) }
    let tape = Tape(precision: precision)
    var largest: Tensor?
    let output = body(parameters.map { tape.variable($0) }) { largest = $0 }
    let value = output.value
    let cotangent = wave(value.shape, frequency: 1.3, phase: 0.5).on(device)
    let gradients = tape.gradients(of: (output * tape.constant(cotangent)).sum())
    return Outcome(
      value: value.on(.cpu),
      gradients: try parameters.map { try #require(gradients[$0.id]).on(.cpu) },
      largest: largest?.on(.cpu))
  }

  private func expectClose(
    _ actual: Tensor, _ expected: Tensor, _ tolerance: Double, _ name: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let error = (actual - expected).sumOfSquares.squareRoot()
    let norm = expected.sumOfSquares.squareRoot()
    // Gradients of a softmax over one key are zero but for rounding.
    #expect(
      error <= tolerance * max(norm, 0.1), "\(name): \(error) of \(norm)", sourceLocation: sourceLocation)
  }

  private func compare(
    _ inputs: [Tensor], _ precision: Precision,
    _ body: ([Variable], @escaping (Tensor) -> Void) -> Variable
  ) throws {
    let host = try outcome(inputs, on: .cpu, precision, body)
    try EmulatedGPU.withDevice { device in
      let gpu = try outcome(inputs, on: device, precision, body)
      let tolerance = precision == .float32 ? 2e-6 : 1e-2
      expectClose(gpu.value, host.value, tolerance, "value")
      for (index, (left, right)) in zip(gpu.gradients, host.gradients).enumerated() {
        expectClose(left, right, tolerance, "gradient \(index)")
      }
      if let largest = host.largest {
        expectClose(try #require(gpu.largest), largest, 1e-6, "largest logits")
      }
      let again = try outcome(inputs, on: device, precision, body)
      #expect(again.value.scalars == gpu.value.scalars)
      #expect(again.gradients.map(\.scalars) == gpu.gradients.map(\.scalars))
    }
  }

  private func random(_ shape: Shape, _ seed: UInt64) -> Tensor {
    var generator = RandomGenerator(seed: seed)
    return Tensor(normal: shape, standardDeviation: 1, using: &generator)
  }

  /// Sequences, their length, heads, channels of a head: lengths of one, and around the tiles' 64 and 128 rows;
  /// channels that fill a tile's 16 or not, and rows that do not begin at multiples of 16 bytes.
  private static let shapes = [
    [2, 1, 2, 16], [3, 5, 2, 16], [1, 64, 1, 64], [2, 65, 2, 32], [1, 130, 3, 10], [2, 70, 1, 24], [1, 70, 3, 5],
    [1, 520, 1, 32],
  ]

  @Test(arguments: [Precision.float32, .bfloat16], shapes)
  func causalAttention(_ precision: Precision, _ shape: [Int]) throws {
    let (sequences, length, heads, width) = (shape[0], shape[1], shape[2], shape[3])
    let input = random([sequences * length, 3 * heads * width], 1)
    try compare([input], precision) { v, observe in
      v[0].causalAttention(
        sequenceLength: length, headCount: heads, scale: 1 / Float(width).squareRoot(), observing: observe)
    }
  }

  @Test(arguments: [Precision.float32, .bfloat16], [Float(0), -0.3])
  func scalesThatAreNotPositive(_ precision: Precision, _ scale: Float) throws {
    try compare([random([40, 3 * 32], 1)], precision) { v, observe in
      v[0].causalAttention(sequenceLength: 20, headCount: 2, scale: scale, observing: observe)
    }
  }

  /// Without somebody who asks, largest logits are not computed.
  @Test func largestLogitsOnDemand() throws {
    try compare([random([40, 3 * 32], 1)], .float32) { v, _ in
      v[0].causalAttention(sequenceLength: 20, headCount: 2, scale: 0.3)
    }
  }

  /// Sequences, their length, heads, channels without position, rotated, and of values.
  @Test(
    arguments: [Precision.float32, .bfloat16],
    [[2, 7, 2, 16, 8, 16], [1, 70, 2, 32, 16, 32], [2, 5, 3, 3, 4, 2], [1, 9, 2, 0, 6, 4], [1, 9, 2, 8, 12, 8]])
  func latentAttention(_ precision: Precision, _ shape: [Int]) throws {
    let (rows, heads) = (shape[0] * shape[1], shape[2])
    let (own, turned, values) = (shape[3], shape[4], shape[5])
    let inputs = [
      random([rows, heads * (own + turned)], 1), random([rows, heads * (own + values)], 2),
      random([rows, turned], 3),
    ]
    for layout in [RotaryEmbedding.Layout.interleaved, .halves] {
      let rotary = RotaryEmbedding(width: turned, positionCount: 80, base: 100, layout: layout)
      try compare(inputs, precision) { v, observe in
        v[0].latentAttention(
          keyValue: v[1], sharedKey: v[2], rotary: rotary, headCount: heads, valueWidth: values,
          sequenceLength: shape[1], scale: 0.3, observing: observe)
      }
    }
  }

  @Test(arguments: [RotaryEmbedding.Layout.interleaved, .halves], [6, 8])
  func rotation(_ layout: RotaryEmbedding.Layout, _ width: Int) throws {
    let rotary = RotaryEmbedding(width: width, positionCount: 10, base: 100, layout: layout)
    try compare([random([21, 3 * width], 1)], .float32) { v, _ in
      v[0].rotated(by: rotary, sequenceLength: 7, headCount: 3)
    }
  }

  @Test func columns() throws {
    try compare([random([9, 11], 1)], .float32) { v, _ in v[0].columns(3..<8) }
    try compare([random([9, 11], 1)], .float32) { v, _ in v[0].columns(0..<11) }
  }
}
