// Gathers the distribution of an argument in powers of two.
#include "probe.h"

// Where the argument is, its width in bits, and whether it has a sign.
const volatile __u32 arg_reg = 0;
const volatile __u32 arg_bits = 64;
const volatile bool arg_signed = false;

// How many calls had a value of 2^n to 2^(n+1); 0 counts with 1.
__u64 buckets[64] = {};
__u64 negative = 0;
__u64 sum = 0;

SEC("uprobe")
int on_entry(void *ctx) {
  if (!wanted())
    return 0;
  __u32 rest = (64 - arg_bits) & 63;
  __u64 value = reg(ctx, arg_reg) << rest;
  if (arg_signed)
    value = (__u64)((__s64)value >> rest);
  else
    value >>= rest;
  __sync_fetch_and_add(&sum, value);
  if (arg_signed && (__s64)value < 0)
    __sync_fetch_and_add(&negative, 1);
  else
    __sync_fetch_and_add(&buckets[log2_of(value) & 63], 1);
  return 0;
}
