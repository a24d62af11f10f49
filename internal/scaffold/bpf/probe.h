// What the programs of this project share: how a value of the probed call is read.
//
// Registers are numbered by the byte offset of their place in struct pt_regs of x86-64, which is what ctx points at:
// r15 0, r14 8, r13 16, r12 24, rbp 32, rbx 40, r11 48, r10 56, r9 64, r8 72, rax 80, rcx 88, rdx 96, rsi 104, rdi 112,
// rip 128, rsp 152. main.go sets the constants below before the programs are loaded.
#pragma once

#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

#define RAX 80
#define RSP 152

char LICENSE[] SEC("license") = "Dual BSD/GPL";

// Only processes of this thread group are seen; 0: all.
const volatile __u32 only_pid = 0;

static __always_inline __u64 reg(void *ctx, __u32 offset) {
  __u64 value = 0;
  bpf_probe_read_kernel(&value, sizeof value, ctx + (offset & 0xf8));
  return value;
}

static __always_inline bool wanted(void) {
  return only_pid == 0 || bpf_get_current_pid_tgid() >> 32 == only_pid;
}

static __always_inline __u32 log2_of(__u64 v) {
  __u32 n = 0;
  for (int shift = 32; shift > 0; shift >>= 1)
    if (v >> shift) {
      v >>= shift;
      n += shift;
    }
  return n;
}

// A call is known by its thread and its stack pointer, so that recursion does not mix calls up.
struct call {
  __u64 thread;
  __u64 frame;
};
