import AutogradTestSupport
import Foundation
import NanoAutograd
import NanoTensor
import TensorTestSupport
import Testing

@Test func tanhFormOfGELU() {
  let check = GradientCheck([wave([3, 21], scale: 3)]) { _, v in
    v[0].gelu(.tanh)
  } reference: { x in
    x[0].map { $0 * 0.5 * (1 + tanh((2 / Double.pi).squareRoot() * ($0 + 0.044715 * $0 * $0 * $0))) }
  }
  #expect(check.worst < 2e-4)
}

@Test func geluIsTheExactForm() {
  let check = GradientCheck([wave([3, 21], scale: 3)]) { _, v in
    v[0].gelu()
  } reference: { x in
    x[0].map { $0 * 0.5 * (1 + erf($0 / 2.0.squareRoot())) }
  }
  #expect(check.worst < 2e-4)
}
