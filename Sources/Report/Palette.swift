internal import NanoModels
internal import NanoTraining

/// One colour a model, the same in every picture; told apart in grey and by colour-blind readers too.
enum Palette {
  static func color(of model: String) -> Color {
    model == NanoKimi.identifier
      ? Color(red: 0.84, green: 0.37, blue: 0.10) : Color(red: 0.22, green: 0.42, blue: 0.69)
  }

  static func displayName(of model: String) -> String {
    StudyModel(rawValue: model)?.displayName ?? model
  }
}
