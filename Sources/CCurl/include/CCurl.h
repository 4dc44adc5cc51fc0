// HTTP through libcurl, loaded at run time.
//
// Foundation's own client on Linux stands on libcurl too, but traps on some answers of a server. Loading it ourselves needs no
// headers, no link dependency and no package, and a program that fetches nothing needs no libcurl.

#ifndef CCURL_H
#define CCURL_H

#include <stdbool.h>
#include <stddef.h>

/// One GET, by HTTP/1.1 over TCP or TLS. Nothing is followed, unpacked or remembered.
typedef struct {
  const char *url;
  /// Lines such as "Range: bytes=7-", up to a null.
  const char *const *headers;
  void *context;
  /// Given every line of the answer's head; false ends the exchange.
  bool (*receive_header)(void *context, const char *line, size_t length);
  /// Given the body as it comes; false ends the exchange.
  bool (*receive_body)(void *context, const char *bytes, size_t length);
  /// Asked at least once a second, in every phase; false ends the exchange.
  bool (*goes_on)(void *context);
} nk_http_request;

typedef struct {
  /// Whether the answer came as it should, whatever its status.
  bool is_complete;
  /// Why not, and whether another try could end otherwise.
  char problem[256];
  bool is_temporary;
  /// Where the answer redirects to, as a whole address; to be freed, null for nowhere.
  char *redirection;
} nk_http_outcome;

/// False when libcurl is not installed; nothing has happened then.
bool nk_http_get(const nk_http_request *request, nk_http_outcome *outcome);

#endif
