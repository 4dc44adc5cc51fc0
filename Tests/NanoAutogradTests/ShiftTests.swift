import AutogradTestSupport
import NanoAutograd
import NanoTensor
import TensorTestSupport
import Testing

/// Rows stay in their sequence: what leaves it is dropped, and zeros come in.
@Test(arguments: [1, 2, -1, -3, 0, 4, 9])
func shifted(by steps: Int) {
  let (sequences, length, width) = (2, 4, 3)
  let check = GradientCheck([wave([sequences * length, width])]) { _, v in
    v[0].shifted(by: steps, sequenceLength: length)
  } reference: { x in
    (0..<sequences * length).flatMap { row -> [Double] in
      let source = row % length - steps
      guard (0..<length).contains(source) else { return [Double](repeating: 0, count: width) }
      let start = (row / length * length + source) * width
      return Array(x[0][start..<start + width])
    }
  }
  #expect(check.worst < 1e-4)
}
