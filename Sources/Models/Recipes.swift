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
    iteration.precision = precision
    return RoutedOptimizer(
      TrueMuon(learningRate: muonLearningRate, orthogonalization: .newtonSchulz(iteration)),
      where: \.shape.isMatrix, otherwise: AdamW(learningRate: learningRate))
  }
}
