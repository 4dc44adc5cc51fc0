import ArgumentParser
import NanoExperiments
import NanoLayers
import NanoModels
import NanoOptim
import NanoTensor

/// What is compared. What a flag leaves open comes from `--config`, then from the preset.
struct StudyOptions: ParsableArguments {
  @Option(help: "Named settings to start from: \(list(Preset.self)) (default: seed).")
  var preset: String?

  /// For the help: ``SettingsFile/expand(_:)`` has taken it out of the command line before it is parsed.
  @Option(help: "A JSON file with any of these settings, named like the flags; flags win over it.")
  var config: String?

  @Option(
    help: """
      Models to train, separated by commas: \(list(ModelName.self)) (default: nanogpt,nanokimi; of stories \
      nanogpt,nanokimik2,nanogpt-total).
      """)
  var models: String?

  @Option(
    name: .customLong("arm"), parsing: .unconditionalSingleValue,
    help: """
      An arm of the study in place of --models, as often as there are arms: 'NAME: model=nanogpt optimizer=muon \
      lr=0.02' with any setting that has a flag, or the same as a JSON object. Flags are for all arms.
      """)
  var arms: [String] = []
}

/// The models: their sizes, and their parts where those differ from a preset's.
struct ModelOptions: ParsableArguments {
  @Option(help: "Sizes of NanoKimiK2 and its partner: \(list(FamilySize.self)) (default: 3M).")
  var size: String?

  @Option(parsing: .unconditional, help: "Tokens in a sequence (default: 32 characters, 256 pieces of stories).")
  var context: Int?

  @Option(parsing: .unconditional, help: "Width of the models (default: 64; of stories, by size).")
  var embd: Int?

  @Option(parsing: .unconditional, help: "Transformer blocks (default: 4; of stories, by size).")
  var layers: Int?

  @Option(parsing: .unconditional, help: "Attention heads; must divide the width (default: 4; of stories, by size).")
  var heads: Int?

  @Option(help: "How a model knows positions: learned, rotary (default: each model's own).")
  var positions: String?

  @Option(help: "Whether positions also see the embedding of the token before: true, false (default: false).")
  var previousTokenEmbedding: String?

  @Option(
    parsing: .unconditional,
    help: "Positions that a causal convolution before each feed-forward part spans; 1 for none (default: 1).")
  var convolution: Int?

  @Option(help: "The norms: layerNorm, rmsNorm (default: each model's own).")
  var norm: String?

  @Option(help: "The attention: multiHead, latent (default: each model's own).")
  var attention: String?

  @Option(help: "Whether queries and keys are normalized: true, false (default: false).")
  var qkNorm: String?

  @Option(
    help: "What scales attention logits: headWidth, modelWidth, a number (default: headWidth; of seed modelWidth).")
  var attentionScale: String?

  @Flag(help: "Muon orthogonalizes the blocks of each attention head by themselves.")
  var splitHeads = false

  @Option(help: "The feed-forward part: mlp, swiGLU, denseMoE, sparseMoE (default: each model's own).")
  var feedForward: String?

  @Option(help: "Of an MLP: \(list(ActivationFunction.self)) (default: each model's own).")
  var activation: String?

  @Option(parsing: .unconditional, help: "Hidden width of an MLP or a SwiGLU (default: four times the width).")
  var feedForwardWidth: Int?

  @Option(help: "Whether the maps have biases: true, false (default: each model's own).")
  var bias: String?

  @Option(help: "How weights begin: pyTorch, normal (default: each model's own).")
  var initialization: String?

  @Option(help: "How maps into the residual stream begin: plain, scaled, zero (default: each model's own).")
  var residualProjections: String?

  @Option(help: "What makes logits: tied, own (default: each model's own).")
  var head: String?

  @Option(parsing: .unconditional, help: "Experts of a mixture (default: 4; of NanoKimiK2, by size).")
  var experts: Int?

  @Option(parsing: .unconditional, help: "Experts that a token goes to (default: by size).")
  var expertsPerToken: Int?

  @Option(parsing: .unconditional, help: "Experts that every token goes to (default: 1).")
  var sharedExperts: Int?

  @Option(parsing: .unconditional, help: "Hidden width of an expert (default: by size).")
  var expertWidth: Int?

  @Option(parsing: .unconditional, help: "First layers with a dense network (default: 1).")
  var denseLayers: Int?

  @Option(parsing: .unconditional, help: "Hidden width of the dense networks (default: by size).")
  var denseWidth: Int?

  @Option(help: "How routers score experts: sigmoid, softmax (default: sigmoid).")
  var gating: String?

  @Option(parsing: .unconditional, help: "Factor on the experts' weights, routed_scaling_factor (default: by size).")
  var routedScale: Float?

  @Option(parsing: .unconditional, help: "Coefficient of the sequence-wise balance loss (default: 0).")
  var balanceLoss: Float?

  @Option(parsing: .unconditional, help: "Coefficient of the router z-loss (default: 0).")
  var zLoss: Float?

  @Option(parsing: .unconditional, help: "Width of the key/value latent (default: by size).")
  var kvRank: Int?

  @Option(parsing: .unconditional, help: "Width of the query latent; 0 for none (default: by size).")
  var qRank: Int?

  @Option(parsing: .unconditional, help: "Channels of a head's keys without position (default: by size).")
  var nopeDim: Int?

  @Option(parsing: .unconditional, help: "Rotated channels of a head's keys (default: by size).")
  var ropeDim: Int?

  @Option(parsing: .unconditional, help: "Channels of a head's values (default: by size).")
  var vDim: Int?

  @Option(parsing: .unconditional, help: "The base of the rotation's wavelengths (default: 10000).")
  var ropeBase: Float?
}

/// What updates the weights, and at what rate.
struct OptimizerOptions: ParsableArguments {
  @Option(help: "Who updates the weights: \(list(OptimizerName.self)) (default: each model's own).")
  var optimizer: String?

  @Option(help: "Who updates NanoKimi and NanoKimiK2 (default: truemuon; of stories muon).")
  var kimiOptimizer: String?

  @Option(help: "Who updates a NanoGPT (default: adamw).")
  var gptOptimizer: String?

  @Option(parsing: .unconditional, help: "AdamW's learning rate (default: 0.001; of stories 0.002).")
  var lr: Float?

  @Option(parsing: .unconditional, help: "The learning rate of TrueMuon or Muon (default: 0.01; of stories 0.002).")
  var muonLr: Float?

  @Option(
    help: """
      How a Muon makes updates orthogonal: quintic-5 or another number of Keller Jordan's steps, polar-5 or fewer of the \
      Polar Express, convergent, exact (default: each rule's own).
      """)
  var orthogonalizer: String?

  @Option(parsing: .unconditional, help: "Decoupled weight decay (default: 0.01; of stories 0.1).")
  var weightDecay: Float?

  @Option(
    help: "The learning rate after warm-up: \(list(ScheduleRecipe.Form.self)) (default: constant; of stories cosine).")
  var schedule: String?

  @Option(
    parsing: .unconditional, help: "Steps of linear warm-up; at most half of the run (default: 0; of stories 100).")
  var warmup: Int?

  @Option(
    parsing: .unconditional, help: "The learning rate at the end, as a share of the peak (default: 0; of stories 0.1).")
  var finalLr: Float?

  @Option(parsing: .unconditional, help: "Largest global gradient norm; 0 for no clipping (default: 0; of stories 1).")
  var clip: Float?

  @Option(
    parsing: .unconditional,
    help: "QK-clip's threshold; 0 for none (default: 100 for NanoKimiK2 and what Muon trains, else none).")
  var qkClip: Float?

  @Option(parsing: .unconditional, help: "How far selection biases move in a step (default: 0.001).")
  var biasRate: Float?
}

/// How much is trained, and how it is computed.
struct TrainingOptions: ParsableArguments {
  @Option(parsing: .unconditional, help: "Training steps of each model (default: 10000; of stories 2000).")
  var iterations: Int?

  @Option(parsing: .unconditional, help: "Sequences in a batch (default: 16).")
  var batch: Int?

  @Option(parsing: .unconditional, help: "Micro-batches that a batch is worked through in (default: 1).")
  var accumulate: Int?

  @Option(
    parsing: .unconditional, help: "Parts that a batch is split into; results depend on it (default: 2; of stories 6).")
  var shards: Int?

  @Option(parsing: .unconditional, help: "What all randomness comes from (default: 1337).")
  var seed: UInt64?

  @Option(help: "Several seeds, separated by commas: every arm is run with each (default: one).")
  var seeds: String?

  @Option(help: "Operands of matrix products: \(list(Precision.self)) (default: fp32).")
  var precision: String?

  @Option(
    parsing: .unconditional,
    help: "Dropout of models with an MLP or a dense mixture: embeddings, attention, residual branches (default: 0).")
  var dropout: Float?

  @Option(
    parsing: .unconditional,
    help: "The share of steps at the end whose weights are averaged and scored; 0 for none (default: 0; of best 0.2).")
  var average: Float?

  @Flag(help: "Recompute blocks in the backward pass: less memory, more time.")
  var activationCheckpointing = false

  @Option(help: "Bytes that tensors may hold, such as 800MB (default: what the system has left).")
  var memoryLimit: String?
}

/// An ``EvaluationPolicy`` as a flag names it.
enum EvaluationName: String, CaseIterable, ExpressibleByArgument {
  case random, full
}

/// What is measured and shown on the way.
struct EvaluationOptions: ParsableArguments {
  @Option(parsing: .unconditional, help: "Steps from one evaluation to the next (default: 100; of stories 250).")
  var evalInterval: Int?

  @Option(
    parsing: .unconditional,
    help: "Random batches of each split in an evaluation (default: 200); windows in one of stories (default: 64).")
  var evalIters: Int?

  @Option(
    help: "What an evaluation reads: random batches, or a full pass at the end (default: random; of stories full).")
  var evaluation: EvaluationName?

  @Option(
    parsing: .unconditional,
    help: "Steps from one line of each model's metrics to the next (default: 10; of stories 1).")
  var recordEvery: Int?

  @Option(parsing: .unconditional, help: "Steps from one set of samples to the next (default: none on the way).")
  var sampleEvery: Int?
}

/// How a run is kept.
struct CheckpointOptions: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: "Steps from one checkpoint to the next; a run that ends or is interrupted writes one anyway (default: none).")
  var checkpointEvery: Int?

  @Option(parsing: .unconditional, help: "Checkpoints to keep (default: 2).")
  var keep: Int?
}
