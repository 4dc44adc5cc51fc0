import NanoLayers
import NanoOptim

/// A transformer of one block around the layer of this package.
struct TinyTransformer: ParameterContainer {
  var embedding, positions: Embedding
  var norm: RMSNorm
  var attention: MultiQueryAttention
  var head: Linear

  init(tokens: Int, context: Int, width: Int, using generator: inout RandomGenerator) {
    embedding = Embedding(count: tokens, width: width, using: &generator)
    positions = Embedding(count: context, width: width, using: &generator)
    norm = RMSNorm(width: width)
    attention = MultiQueryAttention(width: width, headCount: 4, using: &generator)
    head = Linear(inputs: width, outputs: tokens, role: .outputHead, using: &generator)
  }

  func logits(for tokens: [Int32], in context: ForwardContext) -> Variable {
    let places = tokens.indices.map { Int32($0 % context.sequenceLength) }
    let hidden = embedding(tokens, in: context) + positions(places, in: context)
    return head(hidden + attention(norm(hidden, in: context), in: context), in: context)
  }

  mutating func visitParameters<E: Error>(
    _ name: ParameterName, _ visit: (ParameterName, inout Parameter) throws(E) -> Void
  ) throws(E) {
    try embedding.visitParameters(name.part("embedding"), visit)
    try positions.visitParameters(name.part("positions"), visit)
    try norm.visitParameters(name.part("norm"), visit)
    try attention.visitParameters(name.part("attention"), visit)
    try head.visitParameters(name.part("head"), visit)
  }
}

/// Trains it to say at every position what stood four positions before, which only attention can know.
@main
enum OwnLayer {
  static let (tokens, length, sequences, steps, distance) = (8, 16, 16, 200, 4)

  static func main() {
    var generator = RandomGenerator(seed: 1)
    var model = TinyTransformer(tokens: tokens, context: length, width: 32, using: &generator)
    var optimizer = ParameterOptimizer(
      RoutedOptimizer(Muon(learningRate: 0.02), where: \.shape.isMatrix, otherwise: AdamW(learningRate: 0.01)))
    var (losses, largestLogits) = ([Float](), [Float]())
    for _ in 0..<steps {
      let inputs = (0..<sequences * length).map { _ in Int32(generator.nextUniform() * Float(tokens)) }
      // -1 is not counted: nothing stands there yet.
      let targets = inputs.indices.map { $0 % length < distance ? -1 : inputs[$0 - distance] }
      let recorder = StatisticsRecorder()
      let (loss, gradients) = valueWithGradients { tape in
        let context = ForwardContext(tape: tape, sequenceLength: length, recorder: recorder)
        return model.logits(for: inputs, in: context).crossEntropy(targets: targets)
      }
      losses.append(loss)
      largestLogits = recorder.statistics.attention[0].largestLogits
      model.visitParameters(.root()) { name, parameter in
        optimizer.update(&parameter, gradient: gradients[parameter.id]!, named: name.text)
      }
    }
    print("loss before \(losses[0]), after \(losses[steps - 1])")
    print("largest attention logit of each head: \(largestLogits)")
    precondition(losses[steps - 1] < 0.1 * losses[0], "the layer did not learn to look back")
    precondition(largestLogits.count == 4 && largestLogits.allSatisfy { $0 > 0 }, "the layer reported nothing")
  }
}
