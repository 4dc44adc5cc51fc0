import NanoOptim
import Testing

@Test func adamWMatchesPyTorch() throws {
  try expectGolden("adamw", AdamW(learningRate: 1e-2, weightDecay: 0.1))
}
