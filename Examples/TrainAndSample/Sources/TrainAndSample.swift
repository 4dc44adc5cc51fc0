import NanoData
import NanoModels
import NanoOptim
import NanoTensor
import NanoTraining

/// Trains a small decoder on small stories, character by character, and has it write one.
@main
enum TrainAndSample {
  static func main() throws {
    var generator = RandomGenerator(seed: 1)
    let text = BuiltInCorpus(characters: 100_000, using: &generator).text
    let tokenizer = CharacterTokenizer(vocabularyOf: text)
    let tokens = try TokenizedText(whole: text, tokenizer: tokenizer)

    let steps = 400
    var trainer = Trainer(
      try Decoder(.nanoGPT(vocabularySize: tokenizer.vocabularySize, layerCount: 2), using: &generator),
      rule: RoutedOptimizer(Muon(learningRate: 0.02), where: \.shape.isMatrix, otherwise: AdamW(learningRate: 4e-3)),
      schedule: .linear(warmUpSteps: 20, totalSteps: steps))
    var losses: [Double] = []
    for step in 0..<steps {
      let batch = tokens.batch(sequenceCount: 12, sequenceLength: 32, using: &generator)
      losses.append(try trainer.step(on: batch).loss)
      if step % 100 == 99 { print("step \(step + 1): loss \(losses[step])") }
    }
    precondition(losses[steps - 1] < 0.5 * losses[0], "the model did not learn")

    var writer = TextGenerator(Sampler(temperature: 0.8), generator: generator)
    let story = try writer.generate(300, after: try tokenizer.encode("\n"), from: trainer.model)
    print(tokenizer.decode(story))
  }
}
