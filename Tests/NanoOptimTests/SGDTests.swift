import NanoOptim
import Testing

@Test func sgdMatchesPyTorch() throws {
  try expectGolden("sgd", SGD(learningRate: 1e-2, momentum: 0.9, weightDecay: 0.05))
  try expectGolden("sgd_nesterov", SGD(learningRate: 1e-2, momentum: 0.9, usesNesterov: true))
}
