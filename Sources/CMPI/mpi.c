#include "include/CMPI.h"

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A pointer in Open MPI and in the standard's binary interface, an int in MPICH, which reads the lower half of the register
// that it comes in.
typedef intptr_t handle;

enum { TAG = 0, LONGEST_VERSION = 8192, LARGEST_MESSAGE = 1 << 30 };

static struct {
  int (*init_thread)(int *, char ***, int, int *);
  int (*get_library_version)(char *, int *);
  int (*comm_rank)(handle, int *);
  int (*comm_size)(handle, int *);
  int (*isend)(const void *, int, handle, int, int, handle, void *);
  int (*test)(void *, int *, void *);
  int (*recv)(void *, int, handle, int, int, handle, void *);
  int (*iprobe)(int, int, handle, int *, void *);
  int (*finalize)(void);
  int (*abort)(handle, int);
} mpi;

// Of the library that is open.
static handle world, byte;
static void *ignored_status;
static int thread_funneled = 1;
static int own_rank, rank_count = 1;
static char version[LONGEST_VERSION];
static char problem[512];

static const char *failure(const char *library, const char *text) {
  snprintf(problem, sizeof problem, "%s: %s", library, text);
  return problem;
}

static bool load_functions(void *library) {
  const struct {
    const char *name;
    void *function;
  } functions[] = {
      {"MPI_Init_thread", &mpi.init_thread},
      {"MPI_Get_library_version", &mpi.get_library_version},
      {"MPI_Comm_rank", &mpi.comm_rank},
      {"MPI_Comm_size", &mpi.comm_size},
      {"MPI_Isend", &mpi.isend},
      {"MPI_Test", &mpi.test},
      {"MPI_Recv", &mpi.recv},
      {"MPI_Iprobe", &mpi.iprobe},
      {"MPI_Finalize", &mpi.finalize},
      {"MPI_Abort", &mpi.abort},
  };
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    void *function = dlsym(library, functions[i].name);
    if (!function) return false;
    memcpy(functions[i].function, &function, sizeof function);
  }
  return true;
}

// The constants of each library's mpi.h. MPICH has two libraries, which say the same of themselves.
static bool know_constants(const char *name, void *library) {
  if (strstr(name, "libmpi_abi")) {
    world = 0x101;
    byte = 0x247;
    ignored_status = NULL;
    thread_funneled = 1024;
    return true;
  }
  if (strstr(version, "Open MPI")) {
    world = (handle)dlsym(library, "ompi_mpi_comm_world");
    byte = (handle)dlsym(library, "ompi_mpi_byte");
    ignored_status = NULL;
    return world && byte;
  }
  // Intel's and Cray's are MPICH with another name, and with its binary interface.
  if (strstr(version, "MPICH") || strstr(version, "Intel") || strstr(version, "CRAY")) {
    world = 0x44000000;
    byte = 0x4c00010d;
    ignored_status = (void *)1;
    return true;
  }
  return false;
}

const char *nk_mpi_open(const char *name) {
  // Open MPI's components look for its symbols among those that the whole process sees.
  void *library = dlopen(name, RTLD_NOW | RTLD_GLOBAL);
  if (!library) return failure(name, "cannot be loaded");
  if (!load_functions(library)) return failure(name, "not an MPI library");
  int length = 0, granted = 0;
  mpi.get_library_version(version, &length);
  version[strcspn(version, "\n")] = 0;
  if (!know_constants(name, library)) return failure(name, "neither Open MPI nor MPICH");
  if (mpi.init_thread(NULL, NULL, thread_funneled, &granted) != 0) return failure(name, "MPI_Init_thread failed");
  mpi.comm_rank(world, &own_rank);
  mpi.comm_size(world, &rank_count);
  return NULL;
}

const char *nk_mpi_version(void) { return version; }
int nk_mpi_rank(void) { return own_rank; }
int nk_mpi_size(void) { return rank_count; }

// A message that may still be under way. In the order in which they were sent, which is not that in which they end.
typedef struct message {
  struct message *next;
  // An int in MPICH.
  handle request;
  size_t count;
  char bytes[];
} message;

static message *first_message, **message_end = &first_message;

bool nk_mpi_send(const void *bytes, size_t count, int rank) {
  for (size_t done = 0; done < count;) {
    const size_t part = count - done < LARGEST_MESSAGE ? count - done : LARGEST_MESSAGE;
    nk_mpi_bytes_under_way();  // frees what has been sent
    message *copy = malloc(sizeof *copy + part);
    if (!copy) return false;
    *copy = (message){.count = part};
    memcpy(copy->bytes, (const char *)bytes + done, part);
    mpi.isend(copy->bytes, (int)part, byte, rank, TAG, world, &copy->request);
    *message_end = copy;
    message_end = &copy->next;
    done += part;
  }
  return true;
}

size_t nk_mpi_bytes_under_way(void) {
  size_t count = 0;
  message **place = &first_message;
  while (*place) {
    message *sent = *place;
    int is_done = 0;
    mpi.test(&sent->request, &is_done, ignored_status);
    if (is_done) {
      *place = sent->next;
      free(sent);
    } else {
      count += sent->count;
      place = &sent->next;
    }
  }
  message_end = place;
  return count;
}

void nk_mpi_receive(void *bytes, size_t count, int rank) {
  for (size_t done = 0; done < count;) {
    const size_t part = count - done < LARGEST_MESSAGE ? count - done : LARGEST_MESSAGE;
    mpi.recv((char *)bytes + done, (int)part, byte, rank, TAG, world, ignored_status);
    done += part;
  }
}

bool nk_mpi_has_message(int rank) {
  int found = 0;
  mpi.iprobe(rank, TAG, world, &found, ignored_status);
  return found;
}

void nk_mpi_close(void) { mpi.finalize(); }
void nk_mpi_abort(int status) { mpi.abort(world, status); }
