import AutogradTestSupport
import Foundation
import NanoAutograd
import NanoTensor
import TensorTestSupport
import Testing

private let activations: [FeedForwardActivation] = [.relu, .gelu, .geluTanh, .swiGLU]

/// The activations of rows of 7, or of 14 if gated.
private func reference(_ activation: FeedForwardActivation, _ hidden: [Double]) -> [Double] {
  switch activation {
  case .relu: hidden.map { max($0, 0) }
  case .gelu: hidden.map { $0 * 0.5 * erfc(-$0 / 2.0.squareRoot()) }
  case .geluTanh:
    hidden.map { $0 * 0.5 * (1 + tanh((2 / Double.pi).squareRoot() * ($0 + 0.044715 * $0 * $0 * $0))) }
  case .swiGLU: Reference.swiGLU(hidden, width: 7)
  }
}

@Test(arguments: activations, [true, false])
func feedForward(activation: FeedForwardActivation, hasBiases: Bool) {
  let hidden = activation == .swiGLU ? 14 : 7
  var inputs = [
    wave([6, 5]), wave([hidden, 5], frequency: 1.1), wave([5, 7], frequency: 0.8, phase: 1),
  ]
  if hasBiases { inputs += [wave([hidden], frequency: 0.3), wave([5], frequency: 0.6)] }
  let check = GradientCheck(inputs) { _, v in
    v[0].feedForward(
      expansion: v[1], expansionBias: hasBiases ? v[3] : nil, contraction: v[2],
      contractionBias: hasBiases ? v[4] : nil, activation: activation)
  } reference: { v in
    let h = Reference.linear(v[0], v[1], hasBiases ? v[3] : nil, inputs: 5)
    return Reference.linear(reference(activation, h), v[2], hasBiases ? v[4] : nil, inputs: 7)
  }
  #expect(check.worst < 1e-4)
}

/// Value and gradients of a feed-forward network, as one operation and as three.
@Test(arguments: activations, Precision.allCases)
func feedForwardIsItsParts(activation: FeedForwardActivation, precision: Precision) {
  let hidden = activation == .swiGLU ? 56 : 28
  let shapes: [Shape] = [[70, 24], [hidden, 24], [24, 28], [hidden], [24]]
  let parameters = shapes.enumerated().map { index, shape in
    Parameter(wave(shape, frequency: 0.7 + 0.3 * Double(index), scale: 0.5), role: .gain)
  }
  func run(_ body: ([Variable]) -> Variable) -> [[Float]] {
    let tape = Tape(precision: precision)
    let output = body(parameters.map(tape.variable))
    let cotangent = tape.constant(wave(output.shape, frequency: 1.3, phase: 0.5))
    let gradients = tape.gradients(of: (output * cotangent).sum())
    return [output.value.scalars] + parameters.map { gradients[$0.id]!.scalars }
  }
  let whole = run { v in
    v[0].feedForward(
      expansion: v[1], expansionBias: v[3], contraction: v[2], contractionBias: v[4],
      activation: activation)
  }
  let parts = run { v in
    let h = v[0].linear(weight: v[1], bias: v[3])
    let activated =
      switch activation {
      case .relu: h.relu()
      case .gelu: h.gelu()
      case .geluTanh: h.gelu(.tanh)
      case .swiGLU: h.swiGLU()
      }
    return activated.linear(weight: v[2], bias: v[4])
  }
  for (one, other) in zip(whole, parts) {
    switch precision {
    case .float32, .float32Split: #expect(one == other)
    case .bfloat16: #expect(relativeDifference(one, other) < 2e-2)
    case .float16: #expect(relativeDifference(one, other) < 2e-3)
    }
  }
}
