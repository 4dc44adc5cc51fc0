// Preloaded into a command (LD_PRELOAD), this makes one call of the C library fail, or the process die at it.
// Tests/BenchCLITests/FaultTests.swift compiles it and goes through all calls. It is told by the environment:
//
//   FAULT_CALL     write, fsync, rename, mkdir or malloc
//   FAULT_AT       which of these calls, counted from 1
//   FAULT_KIND     fail or kill
//   FAULT_UNDER    the folder whose files and folders count; an allocation counts while one of them is written
//   FAULT_MINIMUM  the least bytes of an allocation that counts
//   FAULT_REPORT   a file that is made when the call strikes
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static const char *folder, *report, *call;
static long at;
static size_t minimum;
static int kills;
static atomic_long count;
static atomic_int files_written;

__attribute__((constructor)) static void begin(void) {
  const char *n = getenv("FAULT_AT"), *kind = getenv("FAULT_KIND"), *bytes = getenv("FAULT_MINIMUM");
  folder = getenv("FAULT_UNDER");
  report = getenv("FAULT_REPORT");
  at = n ? atol(n) : 0;
  kills = kind && !strcmp(kind, "kill");
  minimum = bytes ? strtoul(bytes, 0, 10) : 0;
  call = getenv("FAULT_CALL");  // last: nothing counts before
}

static int is_under(const char *path) { return folder && path && !strncmp(path, folder, strlen(folder)); }

static int is_partial(const char *path) {
  size_t length = path ? strlen(path) : 0;
  return is_under(path) && length > 8 && !strcmp(path + length - 8, ".partial");
}

// A name that ends in `.partial` is given up; a folder's says nothing.
static void end_file(const char *path) {
  if (is_partial(path) && atomic_load(&files_written) > 0) atomic_fetch_sub(&files_written, 1);
}

static int is_file_under(int file) {
  char link[64] = "/proc/self/fd/", path[4096], digits[16];
  int length = 0, end = strlen(link);
  do digits[length++] = '0' + file % 10; while (file /= 10);
  while (length) link[end++] = digits[--length];
  link[end] = 0;
  ssize_t count = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
  if (count <= 0) return 0;
  path[count] = 0;
  return is_under(path);
}

// Whether the call that is being made is the one.
static int strikes(const char *name) {
  if (!call || strcmp(call, name) || atomic_fetch_add(&count, 1) + 1 != at) return 0;
  int file = syscall(SYS_openat, AT_FDCWD, report, O_WRONLY | O_CREAT, 0644);
  if (file >= 0) syscall(SYS_close, file);
  if (kills) syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
  return 1;
}

ssize_t write(int file, const void *bytes, size_t size) {
  if (call && !strcmp(call, "write") && is_file_under(file) && strikes("write")) {
    // As a disk does that fills up in the middle.
    if (size > 1) syscall(SYS_write, file, bytes, size / 2);
    errno = ENOSPC;
    return -1;
  }
  return syscall(SYS_write, file, bytes, size);
}

int fsync(int file) {
  if (call && !strcmp(call, "fsync") && is_file_under(file) && strikes("fsync")) {
    errno = EIO;
    return -1;
  }
  return syscall(SYS_fsync, file);
}

int rename(const char *from, const char *to) {
  if (is_under(from) && strikes("rename")) {
    errno = EIO;
    return -1;
  }
  end_file(from);
  return syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
}

int mkdir(const char *path, mode_t mode) {
  if (is_under(path) && strikes("mkdir")) {
    errno = ENOSPC;
    return -1;
  }
  return syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

int unlink(const char *path) {
  end_file(path);
  return syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

int open(const char *path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  if (flags & O_CREAT && is_partial(path)) atomic_fetch_add(&files_written, 1);
  return syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

static int refuses(size_t size) {
  if (!call || size < minimum || atomic_load(&files_written) <= 0 || !strikes("malloc")) return 0;
  errno = ENOMEM;
  return 1;
}

void *malloc(size_t size) { return refuses(size) ? 0 : __libc_malloc(size); }

void *calloc(size_t count, size_t size) { return refuses(count * size) ? 0 : __libc_calloc(count, size); }

void *realloc(void *old, size_t size) { return refuses(size) ? 0 : __libc_realloc(old, size); }

void *aligned_alloc(size_t alignment, size_t size) {
  return refuses(size) ? 0 : __libc_memalign(alignment, size);
}

int posix_memalign(void **result, size_t alignment, size_t size) {
  void *memory = refuses(size) ? 0 : __libc_memalign(alignment, size);
  if (!memory) return ENOMEM;
  *result = memory;
  return 0;
}
