// The part of SentencePiece (C++) that nano-kimi uses, for C and Swift. Memory that a function hands out is
// freed with free(); errors are messages of the library.

#ifndef CSENTENCEPIECE_H
#define CSENTENCEPIECE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct nk_sentencepiece nk_sentencepiece;

/// Gives the next sentence, valid until the next call; false at the end.
typedef int (*nk_sentence_source)(void *context, const char **text, size_t *count);

/// Trains a model with the given settings, `key=value` each, separated by spaces. Returns its serialized
/// bytes, or null and an error.
char *nk_sentencepiece_train(const char *settings, nk_sentence_source next, void *context,
                             size_t *count, char **error);
/// A processor for a serialized model, or null and an error. Safe for use by many threads.
nk_sentencepiece *nk_sentencepiece_load(const char *bytes, size_t count, char **error);
void nk_sentencepiece_free(nk_sentencepiece *processor);

int nk_sentencepiece_size(const nk_sentencepiece *processor);
int nk_sentencepiece_eos(const nk_sentencepiece *processor);
/// Id of a piece; that of the unknown piece if there is none.
int nk_sentencepiece_id(const nk_sentencepiece *processor, const char *piece);
int nk_sentencepiece_unknown(const nk_sentencepiece *processor);

/// The ids of a text, or null and an error.
int32_t *nk_sentencepiece_encode(const nk_sentencepiece *processor, const char *text, size_t text_count,
                                 size_t *count, char **error);
/// The text of ids, or null and an error.
char *nk_sentencepiece_decode(const nk_sentencepiece *processor, const int32_t *ids, size_t id_count,
                              size_t *count, char **error);

#ifdef __cplusplus
}
#endif
#endif
