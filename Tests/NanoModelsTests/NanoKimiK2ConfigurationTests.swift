import NanoAutograd
import NanoLayers
import NanoModels
import Testing

@Test func absurdSizesOfNanoKimiK2AreRefused() {
  let sound = NanoKimiK2Configuration(size: .tiny, vocabularySize: 65, contextLength: 32)
  let changes: [(part: String, change: (inout NanoKimiK2Configuration) -> Void)] = [
    ("layers", { $0.layerCount = 0 }), ("rope-dim", { $0.attention.rotaryWidth = 7 }),
    ("attention's context", { $0.attention.contextLength = 1 << 40 }),
    ("experts-per-token", { $0.mixture.chosenCount = 9 }), ("dense-layers", { $0.denseLayerCount = 5 }),
    ("groups", { $0.mixture.groups = ExpertGroups(count: 3, chosenCount: 1) }),
    ("groups", { $0.mixture.groups = ExpertGroups(count: 8, chosenCount: 1) }),
    ("disagree", { $0.mixture.modelWidth = 65 }),
  ]
  #expect(throws: Never.self) { try sound.validate() }
  for (part, change) in changes {
    var configuration = sound
    change(&configuration)
    #expect { try configuration.validate() } throws: { "\($0)".contains(part) }
  }
}
