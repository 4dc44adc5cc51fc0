// MPI, loaded at run time: of all that it has only what moves bytes between two ranks.
//
// Open MPI and MPICH have the same functions and other constants, so one program that is compiled with neither's header can
// use both. All functions are for the thread that opened it.

#ifndef CMPI_H
#define CMPI_H

#include <stdbool.h>
#include <stddef.h>

/// Loads a library and joins the world of its launcher. Null on success, else what is wrong; the text stays valid.
const char *nk_mpi_open(const char *library);

/// What the library says it is, one line; empty before it is open.
const char *nk_mpi_version(void);

int nk_mpi_rank(void);
int nk_mpi_size(void);

/// Begins to send a copy of `bytes`; false where there is no memory for it. MPI's own errors end all ranks, its default.
bool nk_mpi_send(const void *bytes, size_t count, int rank);

/// Bytes whose sending has not ended. Has MPI go on with it.
size_t nk_mpi_bytes_under_way(void);

/// Waits for what `rank` sends.
void nk_mpi_receive(void *bytes, size_t count, int rank);

/// Whether `rank` has sent something that is not received yet.
bool nk_mpi_has_message(int rank);

/// Leaves the world; every rank has to.
void nk_mpi_close(void);

/// Ends the processes of all ranks, this one too.
void nk_mpi_abort(int status);

#endif
