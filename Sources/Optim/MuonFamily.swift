/// Rules that differ from Keller Jordan's in what stands around the orthogonalization, with their authors' defaults.
extension Muon {
  /// Every output learns as fast.
  /// - SeeAlso: Li et al., 2025, arXiv:2510.05491; zichongli5/NorMuon, `normuon.py`.
  public static let norMuon = Muon(updateNormalization: .outputwise(beta: 0.95))

  /// Every weight does, as under Adam.
  /// - SeeAlso: Si et al., 2025, arXiv:2507.11005; Chongjie-Si/AdaMuon, `gpt2/models/optimizers/adamuon.py`.
  public static let adaMuon = Muon(
    weightDecay: 0.01, updateScale: .matchingAdamWRMS(0.2), directionNormalization: .sign,
    updateNormalization: .elementwise(beta: 0.95))

  /// Outputs are made equal before the orthogonalization.
  /// - SeeAlso: Chang et al., 2026, arXiv:2603.28254; MaeChd/muon-eq, `muoneq.py`.
  public static let muonEq = Muon(
    learningRate: 1e-3, momentumForm: .heavyBall, weightDecay: 0.1, updateScale: .matchingAdamWRMS(0.2),
    directionNormalization: .outputs)

  /// Outputs, then inputs, are made equal after it.
  /// - SeeAlso: 2026, arXiv:2602.21545; K1seki221/MuonPlus, `muon_plus.py`.
  public static let muonPlus = Muon(
    learningRate: 1e-3, momentumForm: .heavyBall, weightDecay: 0.1, updateScale: .spectralNorm,
    updateNormalization: .outputsThenInputs)

  /// A better start of the iteration saves one of its steps.
  /// - SeeAlso: Boissin et al., 2025, arXiv:2512.04632; thib-s/flash-newton-schulz.
  public static let turboMuon = Muon(orthogonalization: .newtonSchulz(.almostOrthogonal))

  /// Weights that the update pushes away from zero do not decay.
  /// - SeeAlso: Chen et al., "Cautious weight decay", 2025, arXiv:2510.12402; microsoft/dion, `muon.py`.
  public static let cautious = Muon(weightDecay: 0.1, weightDecayForm: .cautious)

  /// Every matrix keeps the norm that it began with, and every step turns it by the rate. Matrices that begin with zeros do
  /// not learn.
  /// - SeeAlso: Wen et al., "Hyperball optimization", 2025 (MuonH); marin-community/marin, `levanter/optim/muonh.py`.
  public static let hyperball = Muon(momentumForm: .heavyBall, updateScale: .unscaled, keepsNorm: true)
}
