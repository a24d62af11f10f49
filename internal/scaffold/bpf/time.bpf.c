// Gathers how long calls take: count, sum and powers of two of nanoseconds.
#include "probe.h"

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 10240);
  __type(key, struct call);
  __type(value, __u64);
} started SEC(".maps");

// How many calls took 2^n to 2^(n+1) nanoseconds.
__u64 buckets[64] = {};
__u64 sum = 0;
// Calls that found no room in started.
__u64 lost = 0;

SEC("uprobe")
int on_entry(void *ctx) {
  if (!wanted())
    return 0;
  struct call key = {bpf_get_current_pid_tgid(), reg(ctx, RSP)};
  __u64 now = bpf_ktime_get_ns();
  if (bpf_map_update_elem(&started, &key, &now, BPF_ANY))
    __sync_fetch_and_add(&lost, 1);
  return 0;
}

SEC("uretprobe")
int on_return(void *ctx) {
  // The return has taken the return address, 8 bytes, off the stack.
  struct call key = {bpf_get_current_pid_tgid(), reg(ctx, RSP) - 8};
  __u64 *start = bpf_map_lookup_elem(&started, &key);
  if (!start)
    return 0;
  __u64 took = bpf_ktime_get_ns() - *start;
  bpf_map_delete_elem(&started, &key);
  __sync_fetch_and_add(&sum, took);
  __sync_fetch_and_add(&buckets[log2_of(took) & 63], 1);
  return 0;
}
