#include "fiber.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

namespace emulation {

#ifdef NANO_OWN_SWITCH

#define STRING_OF(x) #x
#define STRING(x) STRING_OF(x)
#define SWITCH_SYMBOL STRING(__USER_LABEL_PREFIX__) "nano_cuda_emulation_switch"

// Saves the registers that a call keeps, and the stack pointer at `*from`; loads those saved at `to`.
extern "C" void nano_cuda_emulation_switch(void **from, void *to);

#if defined(__x86_64__)
asm(".text\n.globl " SWITCH_SYMBOL "\n" SWITCH_SYMBOL ":\n"
    "pushq %rbp\npushq %rbx\npushq %r12\npushq %r13\npushq %r14\npushq %r15\n"
    "movq %rsp, (%rdi)\nmovq %rsi, %rsp\n"
    "popq %r15\npopq %r14\npopq %r13\npopq %r12\npopq %rbx\npopq %rbp\n"
    "ret\n");

void Fiber::prepare(unsigned char *stack, size_t bytes, void (*entry)()) {
  // Six registers, the entry, and a zero where a caller's return address would stand.
  void **top = (void **)(stack + bytes) - 8;
  for (int i = 0; i < 8; i++) top[i] = nullptr;
  top[6] = (void *)entry;
  stack_pointer = top;
}
#else
asm(".text\n.globl " SWITCH_SYMBOL "\n.p2align 2\n" SWITCH_SYMBOL ":\n"
    "stp x19, x20, [sp, #-160]!\nstp x21, x22, [sp, #16]\nstp x23, x24, [sp, #32]\n"
    "stp x25, x26, [sp, #48]\nstp x27, x28, [sp, #64]\nstp x29, x30, [sp, #80]\n"
    "stp d8, d9, [sp, #96]\nstp d10, d11, [sp, #112]\nstp d12, d13, [sp, #128]\nstp d14, d15, [sp, #144]\n"
    "mov x9, sp\nstr x9, [x0]\nmov sp, x1\n"
    "ldp x21, x22, [sp, #16]\nldp x23, x24, [sp, #32]\nldp x25, x26, [sp, #48]\nldp x27, x28, [sp, #64]\n"
    "ldp x29, x30, [sp, #80]\nldp d8, d9, [sp, #96]\nldp d10, d11, [sp, #112]\nldp d12, d13, [sp, #128]\n"
    "ldp d14, d15, [sp, #144]\nldp x19, x20, [sp], #160\n"
    "ret\n");

void Fiber::prepare(unsigned char *stack, size_t bytes, void (*entry)()) {
  void **top = (void **)(stack + bytes) - 20;
  for (int i = 0; i < 20; i++) top[i] = nullptr;
  top[11] = (void *)entry;
  stack_pointer = top;
}
#endif

void Fiber::change(Fiber &from, Fiber &to) {
  nano_cuda_emulation_switch(&from.stack_pointer, to.stack_pointer);
}

#else

void Fiber::prepare(unsigned char *stack, size_t bytes, void (*entry)()) {
  getcontext(&context);
  context.uc_stack.ss_sp = stack;
  context.uc_stack.ss_size = bytes;
  context.uc_link = nullptr;
  makecontext(&context, entry, 0);
}

void Fiber::change(Fiber &from, Fiber &to) { swapcontext(&from.context, &to.context); }

#endif

FiberStacks::FiberStacks(size_t count) : page((size_t)sysconf(_SC_PAGESIZE)), stride(bytes + page) {
  memory = (unsigned char *)mmap(
      nullptr, count * stride, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    perror("CUDA emulation: no memory for the stacks of a block's threads");
    abort();
  }
  for (size_t i = 0; i < count; i++) mprotect(memory + i * stride, page, PROT_NONE);
}

unsigned char *FiberStacks::operator[](size_t index) const { return memory + index * stride + page; }

}  // namespace emulation
