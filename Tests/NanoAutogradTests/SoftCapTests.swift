import AutogradTestSupport
import Foundation
import NanoAutograd
import NanoTensor
import TensorTestSupport
import Testing

@Test func softCapSqueezesBetweenItsBounds() {
  let check = GradientCheck([wave([3, 21], scale: 40)]) { _, v in
    v[0].softCapped(at: 15)
  } reference: { x in
    x[0].map { 15 * tanh($0 / 15) }
  }
  #expect(check.worst < 2e-4)
}

/// `15 * torch.tanh(x / 15)` and the gradient of its product with the weights, by PyTorch 2.
@Test func softCapIsPyTorchs() {
  let parameter = Parameter(
    Tensor([-80, -30, -4, -0.5, -1e-3, 0, 2e-4, 0.3, 1, 15, 45, 300], shape: [3, 4]), role: .gain)
  let weights = Tensor([1, -2, 3, 0.5, 1, 2, -1, 0.25, -1, 2, 4, 1], shape: [3, 4])
  let tape = Tape()
  let result = tape.variable(parameter).softCapped(at: 15)
  let gradient = tape.gradients(of: (result * tape.constant(weights)).sum())[parameter.id]
  let expected: [Float] = [
    -14.999301, -14.460414, -3.9078069, -0.4998149, -0.001, 0, 0.0002, 0.29996005, 0.99852115, 11.423913, 14.925821, 15,
  ]
  let expectedGradient: [Float] = [
    9.321949e-05, -0.14130163, 2.7963872, 0.49944484, 1, 2, -1, 0.24990003, -0.9955687, 0.8399486, 0.039463926, 0,
  ]
  for (found, wanted) in zip(result.value.scalars, expected) {
    #expect(abs(found - wanted) <= 4e-7 * abs(wanted), "\(found), PyTorch \(wanted)")
  }
  for (found, wanted) in zip(gradient?.scalars ?? [], expectedGradient) {
    #expect(abs(found - wanted) <= 2e-6 * max(abs(wanted), 1), "\(found), PyTorch \(wanted)")
  }
}
