import NanoData
import NanoModels
import NanoTraining
import NanoTensor
import Foundation
struct Obs: RunObserver {
  mutating func didStep(_ step: Int, of total: Int, loss: Double, tokensPerSecond: Double) {}
  mutating func didEvaluate(_ p: EvaluationPoint, of total: Int) { if p.step % 1000 == 0 {print(p)} }
}
var c = StudyConfiguration(preset: .seed)
c.iterations = Int(CommandLine.arguments[2])!
c.shardCount = Int(CommandLine.arguments[3])!
if CommandLine.arguments.count > 4 { c.seed = UInt64(CommandLine.arguments[4])! }
if CommandLine.arguments.count > 5 { c.precision = Precision(rawValue: CommandLine.arguments[5])! }
let text = try TextFile.read(CommandLine.arguments[1])
let tok = CharacterTokenizer(vocabularyOf: text)
let ds = try TextDataset(tokens: tok.encode(text), contextLength: 32)
let run = ModelRun(c, dataset: ds)
let mc = c.modelConfiguration(vocabularySize: tok.vocabularySize)
var obs = Obs()
let gpt: NanoGPT = try run.makeModel(NanoGPT.self, mc)
let r1 = try run.train(gpt, rule: StudyRecipe.nanoGPT(learningRate: c.learningRate), observer: &obs) { false }
print(r1.result)
let kimi: NanoKimi = try run.makeModel(NanoKimi.self, mc)
let r2 = try run.train(kimi, rule: StudyRecipe.nanoKimi(learningRate: c.learningRate, muonLearningRate: 1e-2, precision: c.precision), observer: &obs) { false }
print(r2.result)
