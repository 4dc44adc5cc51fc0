import ModelsTestSupport
import NanoData
import NanoModels
import NanoOptim
import NanoTensor

@testable import NanoTraining

/// The batch of a step of `Tools/golden/character_models.py`.
func goldenBatch(_ step: Int, _ size: GoldenSize = .small) -> TokenBatch {
  let (count, length, vocabulary) = size == .small ? (32, 8, 13) : (512, 32, 65)
  return TokenBatch(
    inputs: (0..<count).map { (i: Int) -> Int32 in Int32((i * 7 + i * i * 3 + step * 5) % vocabulary) },
    targets: (0..<count).map { (i: Int) -> Int32 in
      Int32((i * 5 + i * i * 2 + 1 + step * 3) % vocabulary)
    }, sequenceLength: length)
}

/// The losses of ten steps.
func goldenLosses<Model: LanguageModel>(
  _ model: Model, _ rule: some Optimizer, shards: Int = 2, threads: Int = 2,
  precision: Precision = .float32, size: GoldenSize = .small
) throws -> [Float] {
  var trainer = Trainer(
    model, rule: rule,
    configuration: TrainerConfiguration(shardCount: shards, precision: precision),
    pool: WorkerPool(threadCount: threads))
  return try (0..<10).map { Float(try trainer.step(on: goldenBatch($0, size)).loss) }
}

/// NanoKimi's optimizers at the study's learning rates.
let kimiRule = OptimizerRecipe.adamW(AdamW())
  .with(.trueMuon(TrueMuon()), for: ParameterKind.matrices).makeOptimizer()

/// The optimizers of the stories study, at a high rate.
func storiesRule(precision: Precision = .float32) -> AnyOptimizer {
  var muon = Muon.moonlight
  muon.learningRate = 1e-2
  return OptimizerRecipe.adamW(AdamW(learningRate: 1e-2, beta2: 0.95, weightDecay: 0.1), vectorDecay: 0)
    .with(.muon(muon), for: [.hiddenMatrix, .expertMatrix]).makeOptimizer(precision: precision)
}
