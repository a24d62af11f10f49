// Counts calls by process.
#include "probe.h"

struct process {
  __u32 pid;
  char comm[16];
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 10240);
  __type(key, struct process);
  __type(value, __u64);
} counts SEC(".maps");

// Calls that found no room in counts.
__u64 lost = 0;

SEC("uprobe")
int on_entry(void *ctx) {
  if (!wanted())
    return 0;
  struct process key = {.pid = bpf_get_current_pid_tgid() >> 32};
  bpf_get_current_comm(key.comm, sizeof key.comm);
  __u64 zero = 0, *count = bpf_map_lookup_elem(&counts, &key);
  if (!count) {
    bpf_map_update_elem(&counts, &key, &zero, BPF_NOEXIST);
    count = bpf_map_lookup_elem(&counts, &key);
  }
  __sync_fetch_and_add(count ? count : &lost, 1);
  return 0;
}
