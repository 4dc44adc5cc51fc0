internal import NanoModels
internal import NanoTraining

/// One colour a model, the same in every picture; told apart in grey and by colour-blind readers too.
enum Palette {
  static func color(of model: String) -> Color {
    switch model {
    case StudyModel.nanoKimi.rawValue, StoriesModel.nanoKimiK2.rawValue:
      Color(red: 0.84, green: 0.37, blue: 0.10)
    case StoriesModel.nanoGPTTotal.rawValue: Color(red: 0.30, green: 0.62, blue: 0.62)
    default: Color(red: 0.22, green: 0.42, blue: 0.69)
    }
  }

  static func displayName(of model: String) -> String {
    StudyModel(rawValue: model)?.displayName ?? StoriesModel(rawValue: model)?.displayName ?? model
  }
}
