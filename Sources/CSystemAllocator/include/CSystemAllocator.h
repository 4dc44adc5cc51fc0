// Settings of the C library's allocator, which are the whole process's: for commands, never for a library.

#ifndef CSYSTEMALLOCATOR_H
#define CSYSTEMALLOCATOR_H

/// Gives blocks from 128 KiB up back to the system as soon as they are freed, and has all threads share one arena: the
/// memory pool keeps what is worth keeping, and what it lets go is then gone (glibc only; no effect elsewhere).
void give_back_large_blocks(void);

#endif
