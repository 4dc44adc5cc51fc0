public import NanoOptim
public import NanoTensor

/// The optimizers of the published character study.
public enum StudyRecipe {
  /// NanoGPT: AdamW on everything, PyTorch's defaults beside the learning rate.
  public static func nanoGPT(learningRate: Float) -> AdamW { AdamW(learningRate: learningRate) }

  /// NanoKimi: TrueMuon on every matrix inside the blocks, the gate's included; AdamW on the rest.
  public static func nanoKimi(
    learningRate: Float, muonLearningRate: Float, precision: Precision = .float32
  ) -> RoutedOptimizer<TrueMuon, AdamW> {
    var iteration = NewtonSchulz.quintic
    iteration.precision = precision == .float16 ? .float32 : precision
    return RoutedOptimizer(
      TrueMuon(learningRate: muonLearningRate, orthogonalization: .newtonSchulz(iteration)),
      where: \.shape.isMatrix, otherwise: AdamW(learningRate: learningRate))
  }
}

/// The optimizers of the stories study.
public enum StoriesRecipe {
  /// AdamW on everything, weight decay on matrices and tables only, as karpathy/nanoGPT has it.
  public static func adamW(
    learningRate: Float, beta2: Float = 0.95, weightDecay: Float = 0.1
  ) -> RoutedOptimizer<AdamW, AdamW> {
    let decaying = AdamW(
      learningRate: learningRate, beta1: 0.9, beta2: beta2, weightDecay: weightDecay)
    var plain = decaying
    plain.weightDecay = 0
    return RoutedOptimizer(decaying, where: \.shape.isDecayed, otherwise: plain)
  }

  /// Muon in Moonlight's convention on hidden matrices, each expert by itself; AdamW on embeddings, head,
  /// norms, biases and routers.
  public static func muon(
    learningRate: Float, muonLearningRate: Float, beta2: Float = 0.95,
    weightDecay: Float = 0.1, precision: Precision = .float32
  ) -> RoutedOptimizer<Muon, RoutedOptimizer<AdamW, AdamW>> {
    var muon = Muon.moonlight
    muon.learningRate = muonLearningRate
    muon.weightDecay = weightDecay
    var iteration = NewtonSchulz.quintic
    // Half precision's range is too narrow for the iteration.
    iteration.precision = precision == .float16 ? .float32 : precision
    muon.orthogonalization = .newtonSchulz(iteration)
    return RoutedOptimizer(
      muon, where: { $0.shape.isMatrix && $0.role != .router },
      otherwise: adamW(learningRate: learningRate, beta2: beta2, weightDecay: weightDecay))
  }
}
