import ArgumentParser
import NanoExperiments
import NanoLayers
import NanoModels
import NanoOptim
import NanoTensor

/// What settings start from. What a flag leaves open comes from `--config`, then from the preset.
struct PresetOptions: ParsableArguments {
  @Option(
    """
    Named settings to start from, which `presets` prints: seed, the published study of characters; standard, the same \
    with attention scaled as usual; best, the strongest found; stories, TinyStories
    """, "name", default: "seed")
  var preset: String?

  /// For the help: ``SettingsFile/expand(_:)`` has taken it out of the command line before it is parsed.
  @Option("A JSON file with any of these settings, named like the flags; flags win over it", "file")
  var config: String?
}

/// What is compared.
struct StudyOptions: ParsableArguments {
  @Option(
    "Models to train, separated by commas: \(list(ModelName.self))", "names",
    default: "nanogpt,nanokimi; of best nanobest; of stories nanogpt,nanokimik2,nanogpt-total")
  var models: String?

  @Option(
    name: .customLong("arm"), parsing: .unconditionalSingleValue,
    help: ArgumentHelp(
      """
      An arm of the study in place of --models, as often as there are arms: 'NAME: model=nanogpt optimizer=muon \
      muon-lr=0.02' with any setting that has a flag, or the same as a JSON object. Flags are for all arms.
      """, valueName: "settings"))
  var arms: [String] = []
}

/// What only a study of several models has.
struct ComparisonOptions: ParsableArguments {
  @Option("\(SeedList.help)", "numbers", default: "--seed alone; of ablate and study 3")
  var seeds: String?

  @Option(
    "Who updates NanoKimi and NanoKimiK2", "name", default: "truemuon; of best soap, of stories muon")
  var kimiOptimizer: String?

  @Option("Who updates a NanoGPT", "name", default: "adamw; of best soap")
  var gptOptimizer: String?
}

/// The models: their sizes, and their parts where those differ from a preset's.
struct ModelOptions: ParsableArguments {
  @Option("Sizes of NanoKimiK2 and its partner: \(list(FamilySize.self))", "name", default: "3M")
  var size: String?

  @Option("Tokens in a sequence", "tokens", default: "32 characters, 256 pieces of stories")
  var context: Int?

  @Option("Width of the models", "channels", default: "64; of stories, by size")
  var embd: Int?

  @Option("Transformer blocks", "count", default: "4; of stories, by size")
  var layers: Int?

  @Option("Attention heads; must divide the width", "count", default: "4; of stories, by size")
  var heads: Int?

  @Option("How a model knows positions: learned, rotary", "kind", default: "each model's own")
  var positions: String?

  @Option("Whether positions also see the embedding of the token before: true, false", "choice", default: "false")
  var previousTokenEmbedding: String?

  @Option("Positions that a causal convolution before each feed-forward part spans; 1 for none", "count", default: "1")
  var convolution: Int?

  @Option("The norms: layerNorm, rmsNorm", "kind", default: "each model's own")
  var norm: String?

  @Option("The attention: multiHead, latent", "kind", default: "each model's own")
  var attention: String?

  @Option("Whether queries and keys are normalized: true, false", "choice", default: "false")
  var qkNorm: String?

  @Option(
    "What scales attention logits: headWidth, modelWidth, a number", "kind", default: "headWidth; of seed modelWidth")
  var attentionScale: String?

  @Flag(help: "Muon orthogonalizes the blocks of each attention head by themselves.")
  var splitHeads = false

  @Option("The feed-forward part: mlp, swiGLU, denseMoE, sparseMoE", "kind", default: "each model's own")
  var feedForward: String?

  @Option("Of an MLP: \(list(ActivationFunction.self))", "kind", default: "each model's own")
  var activation: String?

  @Option("Hidden width of an MLP or a SwiGLU", "channels", default: "four times the width")
  var feedForwardWidth: Int?

  @Option(
    "Whether the maps have biases, those of a sparse mixture aside: true, false", "choice", default: "each model's own")
  var bias: String?

  @Option("How weights begin: pyTorch, normal", "kind", default: "each model's own")
  var initialization: String?

  @Option("How maps into the residual stream begin: plain, scaled, zero", "kind", default: "each model's own")
  var residualProjections: String?

  @Option("What makes logits: tied, own", "kind", default: "each model's own")
  var head: String?

  @Option("Experts of a mixture", "count", default: "4; of NanoKimiK2, by size")
  var experts: Int?

  @Option("Experts that a token goes to", "count", default: "by size")
  var expertsPerToken: Int?

  @Option("Experts that every token goes to", "count", default: "1")
  var sharedExperts: Int?

  @Option("Hidden width of an expert", "channels", default: "by size")
  var expertWidth: Int?

  @Option("First layers with a dense network", "count", default: "1")
  var denseLayers: Int?

  @Option("Hidden width of the dense networks", "channels", default: "by size")
  var denseWidth: Int?

  @Option("How routers score experts: sigmoid, softmax", "kind", default: "sigmoid")
  var gating: String?

  @Option("Factor on the experts' weights, routed_scaling_factor", "factor", default: "by size")
  var routedScale: Float?

  @Option("Coefficient of the sequence-wise balance loss", "factor", default: "0")
  var balanceLoss: Float?

  @Option("Coefficient of the router z-loss", "factor", default: "0")
  var zLoss: Float?

  @Option("Width of the key/value latent", "channels", default: "by size")
  var kvRank: Int?

  @Option("Width of the query latent; 0 for none", "channels", default: "by size")
  var qRank: Int?

  @Option("Channels of a head's keys without position", "channels", default: "by size")
  var nopeDim: Int?

  @Option("Rotated channels of a head's keys", "channels", default: "by size")
  var ropeDim: Int?

  @Option("Channels of a head's values", "channels", default: "by size")
  var vDim: Int?

  @Option("The base of the rotation's wavelengths", "number", default: "10000")
  var ropeBase: Float?
}

/// What updates the weights, and at what rate.
struct OptimizerOptions: ParsableArguments {
  @Option("Who updates the weights: \(list(OptimizerName.self))", "name", default: "each model's own")
  var optimizer: String?

  @Option(
    "AdamW's learning rate, also of what a Muon leaves to it; that of SOAP with it", "rate",
    default: "0.001; of best 0.01, or 0.005 without SOAP, of stories 0.002; soap 0.003, lion 0.00033, sgd 0.1")
  var lr: Float?

  @Option("The learning rate of embeddings, where it is not that of the rest", "rate", default: "the rest's")
  var embeddingLr: Float?

  @Option("The learning rate of a head of its own, where it is not that of the rest", "rate", default: "the rest's")
  var headLr: Float?

  @Option(
    "The learning rate of TrueMuon or a Muon", "rate", default: "each rule's own, which --dry-run and routing.json tell"
  )
  var muonLr: Float?

  @Option(
    """
    How a Muon makes updates orthogonal: quintic-5 or another number of Keller Jordan's steps, polar-5 or fewer of the \
    Polar Express, convergent, exact
    """, "name", default: "each rule's own")
  var orthogonalizer: String?

  @Option("Steps from one renewal of SOAP's eigenbases to the next", "steps", default: "10")
  var preconditionFrequency: Int?

  @Option(
    "Decoupled weight decay", "decay", default: "0.01; of stories and of best's SOAP or Muon 0.1; lion 0.03, sgd 0")
  var weightDecay: Float?

  @Option("Largest global gradient norm; 0 for no clipping", "norm", default: "0; of stories 1")
  var clip: Float?

  @Option(
    "QK-clip's threshold; 0 for none", "logit", default: "100 for NanoKimiK2 and what Muon trains, else none")
  var qkClip: Float?

  @Option("How far selection biases move in a step", "rate", default: "0.001")
  var biasRate: Float?
}

/// What a step reads, and how it is computed.
struct StepOptions: ParsableArguments {
  @Option("Sequences in a batch", "sequences", default: "16")
  var batch: Int?

  @Option("Micro-batches that a batch is worked through in", "count", default: "1")
  var accumulate: Int?

  @Option(
    """
    Where the windows lie that a batch is made of: random, at random places; epochs, each once before any again
    """, "choice", default: "random; of best epochs")
  var sampling: String?

  @Option(
    "Parts that a batch is split into; results depend on it", "count",
    default: "2; of stories 6; from 50M parameters on, one for 2048 tokens")
  var shards: Int?

  @Option("What weights, batches, evaluations and samples are drawn from", "number", default: "1337")
  var seed: UInt64?

  @Option("Operands of matrix products: \(list(Precision.self))", "format", default: "fp32")
  var precision: String?

  @Option(
    "Dropout of models with an MLP or a dense mixture, from 0 to below 1: embeddings, attention, residual branches",
    "share", default: "0")
  var dropout: Float?

  @Option(
    "The share of steps at the end whose weights are averaged and scored; 0 for none", "share",
    default: "0; of best 0.2")
  var average: Float?

  @Flag(help: "Recompute blocks in the backward pass: less memory, more time.")
  var activationCheckpointing = false
}

/// How much is trained, and at what share of the learning rates.
struct ScheduleOptions: ParsableArguments {
  @Option("Training steps of each model", "steps", default: "10000; of stories 2000")
  var iterations: Int?

  @Option(
    "The learning rate after warm-up: \(list(ScheduleRecipe.Form.self))", "form",
    default: "constant; of best linear, of stories cosine")
  var schedule: String?

  @Option("Steps of linear warm-up; at most half of the run", "steps", default: "0; of best and stories 100")
  var warmup: Int?

  @Option(
    "The learning rate at the end, as a share of the peak, from 0 to 1", "share", default: "0; of stories 0.1")
  var finalLr: Float?
}

/// An ``EvaluationPolicy`` as a flag names it.
enum EvaluationName: String, CaseIterable, ExpressibleByArgument {
  case random, full
}

/// What is measured and shown on the way.
struct EvaluationOptions: ParsableArguments {
  @Option("Steps from one evaluation to the next", "steps", default: "100; of best 1000, of stories 250")
  var evalInterval: Int?

  @Option(
    "Random batches of each split in an evaluation; with --evaluation full, windows in one on the way", "count",
    default: "200; of best 512, of stories 64")
  var evalIters: Int?

  @Option(
    "What an evaluation reads: random batches, or a full pass at the end", "kind",
    default: "random; of best and stories full")
  var evaluation: EvaluationName?

  @Option("Steps from one line of each model's metrics to the next", "steps", default: "10; of stories 1")
  var recordEvery: Int?

  @Option("Steps from one set of samples to the next", "steps", default: "none on the way")
  var sampleEvery: Int?
}

/// How a run is kept, and how much memory it may have.
struct CheckpointOptions: ParsableArguments {
  @Option(
    "Steps from one checkpoint to the next; a run that ends or is interrupted writes one anyway", "steps",
    default: "none")
  var checkpointEvery: Int?

  @Option("Checkpoints to keep", "count", default: "2")
  var keep: Int?

  @Option("Bytes that tensors may hold, such as 800MB", "bytes", default: "what the system has left")
  var memoryLimit: String?
}
