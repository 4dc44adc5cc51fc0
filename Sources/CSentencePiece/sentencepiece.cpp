#include "CSentencePiece.h"

#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

#include <cstdlib>
#include <cstring>
#include <exception>
#include <sstream>
#include <string>
#include <unordered_map>
#include <vector>

struct nk_sentencepiece {
  sentencepiece::SentencePieceProcessor processor;
};

namespace {

void set_error(char **error, const std::string &message) {
  if (error) *error = strdup(message.c_str());
}

/// A copy that a C caller can free; one byte longer, so that an empty text is not a null pointer.
template <typename Element>
Element *copied(const Element *elements, size_t count) {
  auto *copy = static_cast<Element *>(malloc(count * sizeof(Element) + 1));
  if (copy && count) memcpy(copy, elements, count * sizeof(Element));
  return copy;
}

class Source : public sentencepiece::SentenceIterator {
 public:
  Source(nk_sentence_source next, void *context) : next_(next), context_(context) { Next(); }
  bool done() const override { return done_; }
  void Next() override {
    const char *text = nullptr;
    size_t count = 0;
    done_ = !next_(context_, &text, &count);
    if (!done_) value_.assign(text, count);
  }
  const std::string &value() const override { return value_; }
  sentencepiece::util::Status status() const override { return {}; }

 private:
  nk_sentence_source next_;
  void *context_;
  bool done_ = false;
  std::string value_;
};

}  // namespace

extern "C" char *nk_sentencepiece_train(const char *settings_text, nk_sentence_source next, void *context,
                                        size_t *count, char **error) try {
  // As a map: the overload that takes one string prints it.
  std::unordered_map<std::string, std::string> settings;
  std::istringstream words(settings_text);
  for (std::string word; words >> word;) {
    auto equals = word.find('=');
    if (equals != std::string::npos) settings[word.substr(0, equals)] = word.substr(equals + 1);
  }
  Source source(next, context);
  std::string model;
  auto status = sentencepiece::SentencePieceTrainer::Train(settings, &source, &model);
  if (!status.ok()) {
    set_error(error, status.ToString());
    return nullptr;
  }
  *count = model.size();
  return copied(model.data(), model.size());
} catch (const std::exception &exception) {
  set_error(error, exception.what());
  return nullptr;
}

extern "C" nk_sentencepiece *nk_sentencepiece_load(const char *bytes, size_t count, char **error) try {
  auto *result = new nk_sentencepiece;
  auto status = result->processor.LoadFromSerializedProto({bytes, count});
  if (status.ok()) return result;
  set_error(error, status.ToString());
  delete result;
  return nullptr;
} catch (const std::exception &exception) {
  set_error(error, exception.what());
  return nullptr;
}

extern "C" void nk_sentencepiece_free(nk_sentencepiece *processor) { delete processor; }

extern "C" int nk_sentencepiece_size(const nk_sentencepiece *p) { return p->processor.GetPieceSize(); }

extern "C" int nk_sentencepiece_eos(const nk_sentencepiece *p) { return p->processor.eos_id(); }

extern "C" int nk_sentencepiece_unknown(const nk_sentencepiece *p) { return p->processor.unk_id(); }

extern "C" int nk_sentencepiece_id(const nk_sentencepiece *p, const char *piece) {
  return p->processor.PieceToId(piece);
}

extern "C" int32_t *nk_sentencepiece_encode(const nk_sentencepiece *p, const char *text,
                                            size_t text_count, size_t *count, char **error) try {
  std::vector<int> ids;
  auto status = p->processor.Encode({text, text_count}, &ids);
  if (!status.ok()) {
    set_error(error, status.ToString());
    return nullptr;
  }
  *count = ids.size();
  return copied(ids.data(), ids.size());
} catch (const std::exception &exception) {
  set_error(error, exception.what());
  return nullptr;
}

extern "C" char *nk_sentencepiece_decode(const nk_sentencepiece *p, const int32_t *ids, size_t id_count,
                                         size_t *count, char **error) try {
  std::string text;
  auto status = p->processor.Decode(std::vector<int>(ids, ids + id_count), &text);
  if (!status.ok()) {
    set_error(error, status.ToString());
    return nullptr;
  }
  *count = text.size();
  return copied(text.data(), text.size());
} catch (const std::exception &exception) {
  set_error(error, exception.what());
  return nullptr;
}
