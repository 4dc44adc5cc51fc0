import NanoOptim
import Testing

@Test func muonMatchesPyTorch() throws {
  try expectGolden("torch_muon", Muon.pyTorch)
  var scaled = Muon.pyTorch
  scaled.updateScale = .matchingAdamWRMS(0.2)
  try expectGolden("torch_muon_rms", scaled)
  var plain = Muon.pyTorch
  plain.usesNesterov = false
  plain.learningRate = 0.02
  try expectGolden("torch_muon_plain", plain)
}

@Test func muonMatchesKellerJordan() throws { try expectGolden("keller_jordan", Muon.kellerJordan) }

@Test func muonMatchesMoonlight() throws { try expectGolden("moonlight", Muon.moonlight) }

@Test func muonMatchesDion() throws { try expectGolden("dion", Muon.dion) }

@Test func muonMatchesOptax() throws {
  try expectGolden("optax", Muon.optax, order: .inputsByOutputs)
}
