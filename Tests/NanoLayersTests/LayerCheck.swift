import AutogradTestSupport
import NanoAutograd
import NanoLayers
import NanoTensor

/// How far a layer's result and all its gradients are from a reference, with the parameters as further inputs of the reference.
func worstDifference(
  _ layer: some Layer, input: Tensor, sequenceLength: Int,
  reference: (_ input: [Double], _ parameters: [[Double]]) -> [Double]
) -> Double {
  let input = Parameter(input, role: .gain)
  let parameters = [input] + layer.namedParameters.map(\.parameter)
  return GradientCheck(parameters) { tape in
    layer(tape.variable(input), in: ForwardContext(tape: tape, sequenceLength: sequenceLength))
  } reference: {
    reference($0[0], Array($0.dropFirst()))
  }.worst
}

/// A mixture of three experts, 5 wide inside of rows of 6, in Double.
func referenceMixture(_ x: [Double], _ p: [[Double]]) -> [Double] {
  let gates = Reference.softmax(Reference.linear(x, p[0], p[1], inputs: 6), width: 3)
  let hidden = Reference.swiGLU(Reference.linear(x, p[2], p[3], inputs: 6), width: 5)
  return Reference.mixture(hidden, gates, p[4], p[5], experts: 3, inputs: 5)
}
