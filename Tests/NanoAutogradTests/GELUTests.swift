import Foundation
import NanoAutograd
import NanoTensor
import NanoTestSupport
import Testing

@Test func geluIsTheExactForm() {
  let check = GradientCheck([wave([3, 21], scale: 3)]) { _, v in
    v[0].gelu()
  } reference: { x in
    x[0].map { $0 * 0.5 * (1 + erf($0 / 2.0.squareRoot())) }
  }
  #expect(check.worst < 2e-4)
}
