#include "include/CCurl.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

// Of libcurl's binary interface, which has kept these numbers since they were introduced.
enum {
  OPT_WRITEDATA = 10001,
  OPT_URL = 10002,
  OPT_ERRORBUFFER = 10010,
  OPT_USERAGENT = 10018,
  OPT_HTTPHEADER = 10023,
  OPT_HEADERDATA = 10029,
  OPT_NOPROGRESS = 43,
  OPT_FOLLOWLOCATION = 52,
  OPT_XFERINFODATA = 10057,
  OPT_CAINFO = 10065,
  OPT_HTTP_VERSION = 84,
  OPT_BUFFERSIZE = 98,
  OPT_NOSIGNAL = 99,
  OPT_CONNECTTIMEOUT_MS = 156,
  OPT_PROTOCOLS = 181,
  OPT_SUPPRESS_CONNECT_HEADERS = 265,
  OPT_HTTP09_ALLOWED = 285,
  OPT_WRITEFUNCTION = 20011,
  OPT_HEADERFUNCTION = 20079,
  OPT_XFERINFOFUNCTION = 20219,
  INFO_REDIRECT_URL = 0x100000 + 31,
  HTTP_VERSION_1_1 = 2,
  PROTOCOL_HTTP_AND_HTTPS = 3,
  GLOBAL_ALL = 3,
  OK = 0,
  URL_MALFORMAT = 3,
};

typedef struct list list;

static int (*global_init)(long flags);
static void *(*easy_init)(void);
static int (*easy_setopt)(void *handle, int option, ...);
static int (*easy_perform)(void *handle);
static int (*easy_getinfo)(void *handle, int info, ...);
static const char *(*easy_strerror)(int code);
static void (*easy_cleanup)(void *handle);
static list *(*slist_append)(list *list, const char *line);
static void (*slist_free_all)(list *list);
static bool is_loaded;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void load(void) {
  static const char *const names[] = {"libcurl.so.4", "libcurl-gnutls.so.4", "libcurl.4.dylib"};
  void *handle = NULL;
  for (size_t i = 0; i < sizeof names / sizeof *names && !handle; i++)
    handle = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
  if (!handle) return;
  const struct {
    const char *name;
    void **function;
  } functions[] = {
      {"curl_global_init", (void **)&global_init},     {"curl_easy_init", (void **)&easy_init},
      {"curl_easy_setopt", (void **)&easy_setopt},     {"curl_easy_perform", (void **)&easy_perform},
      {"curl_easy_getinfo", (void **)&easy_getinfo},   {"curl_easy_strerror", (void **)&easy_strerror},
      {"curl_easy_cleanup", (void **)&easy_cleanup},   {"curl_slist_append", (void **)&slist_append},
      {"curl_slist_free_all", (void **)&slist_free_all},
  };
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    *functions[i].function = dlsym(handle, functions[i].name);
    if (!*functions[i].function) return;
  }
  is_loaded = global_init(GLOBAL_ALL) == OK;
}

static size_t take_header(const char *bytes, size_t size, size_t count, void *context) {
  const nk_http_request *request = context;
  return request->receive_header(request->context, bytes, size * count) ? size * count : 0;
}

static size_t take_body(const char *bytes, size_t size, size_t count, void *context) {
  const nk_http_request *request = context;
  return request->receive_body(request->context, bytes, size * count) ? size * count : 0;
}

static int look_up(void *context, long long total, long long now, long long up_total, long long up_now) {
  (void)total, (void)now, (void)up_total, (void)up_now;
  const nk_http_request *request = context;
  return !request->goes_on(request->context);
}

// What a second try cannot change: the address, and a certificate that is not trusted.
static bool is_final(int code) {
  static const int codes[] = {URL_MALFORMAT, 51, 58, 59, 60, 66, 77, 82, 83, 90, 91};
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
    if (code == codes[i]) return true;
  return false;
}

bool nk_http_get(const nk_http_request *request, nk_http_outcome *outcome) {
  pthread_once(&once, load);
  void *handle = is_loaded ? easy_init() : NULL;
  if (!handle) return false;
  list *headers = NULL;
  for (const char *const *line = request->headers; *line; line++) headers = slist_append(headers, *line);
  memset(outcome, 0, sizeof *outcome);

  easy_setopt(handle, OPT_URL, request->url);
  easy_setopt(handle, OPT_HTTPHEADER, headers);
  easy_setopt(handle, OPT_USERAGENT, "nano-kimi");
  easy_setopt(handle, OPT_PROTOCOLS, (long)PROTOCOL_HTTP_AND_HTTPS);
  easy_setopt(handle, OPT_HTTP_VERSION, (long)HTTP_VERSION_1_1);
  easy_setopt(handle, OPT_HTTP09_ALLOWED, 0L);
  easy_setopt(handle, OPT_FOLLOWLOCATION, 0L);
  easy_setopt(handle, OPT_SUPPRESS_CONNECT_HEADERS, 1L);
  easy_setopt(handle, OPT_NOSIGNAL, 1L);
  easy_setopt(handle, OPT_CONNECTTIMEOUT_MS, 20000L);
  easy_setopt(handle, OPT_BUFFERSIZE, 1L << 18);
  easy_setopt(handle, OPT_ERRORBUFFER, outcome->problem);
  easy_setopt(handle, OPT_HEADERFUNCTION, take_header);
  easy_setopt(handle, OPT_HEADERDATA, request);
  easy_setopt(handle, OPT_WRITEFUNCTION, take_body);
  easy_setopt(handle, OPT_WRITEDATA, request);
  easy_setopt(handle, OPT_XFERINFOFUNCTION, look_up);
  easy_setopt(handle, OPT_XFERINFODATA, request);
  easy_setopt(handle, OPT_NOPROGRESS, 0L);
  // Where the system's own certificates are not those to trust, as the command `curl` is told.
  const char *authorities = getenv("CURL_CA_BUNDLE");
  if (!authorities) authorities = getenv("SSL_CERT_FILE");
  if (authorities && *authorities) easy_setopt(handle, OPT_CAINFO, authorities);

  int code = easy_perform(handle);
  outcome->is_complete = code == OK;
  outcome->is_temporary = !is_final(code);
  if (code != OK && !*outcome->problem)
    strncpy(outcome->problem, easy_strerror(code), sizeof outcome->problem - 1);
  const char *redirection = NULL;
  if (code == OK && easy_getinfo(handle, INFO_REDIRECT_URL, &redirection) == OK && redirection)
    outcome->redirection = strdup(redirection);
  easy_cleanup(handle);
  slist_free_all(headers);
  return true;
}
