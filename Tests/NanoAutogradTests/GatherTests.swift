import AutogradTestSupport
import NanoAutograd
import NanoTensor
import TensorTestSupport
import Testing

@Test func gathered() {
  let indices: [Int32] = [2, 0, 2, 1]
  let check = GradientCheck([wave([3, 7])]) { _, v in
    v[0].gathered(indices)
  } reference: { v in
    indices.flatMap { v[0][Int($0) * 7..<Int($0) * 7 + 7] }
  }
  #expect(check.worst < 1e-4)
}
