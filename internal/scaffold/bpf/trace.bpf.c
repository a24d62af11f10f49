// Sends an event for each call: its arguments, and where the return may be probed its result and duration.
#include "probe.h"

#define ARGS 6
#define TEXT 128

// How an argument is read.
enum how {
  NOTHING,
  NUMBER,       // the register
  TEXT_AT,      // text up to a NUL, at the register's address
  TEXT_OF,      // text of the length that the second register holds
  TEXT_BEHIND,  // at the register's address stand the address and the length of a text: std::string
};

struct arg {
  __u32 how;
  __u32 reg;
  __u32 len;
};

const volatile struct arg args[ARGS] = {};

// Whether the end of a call sends the event, or its entry.
const volatile bool at_return = false;

struct event {
  __u64 time;      // at entry, nanoseconds of CLOCK_MONOTONIC
  __u64 duration;  // nanoseconds, 0 when the return is not probed
  __u64 result;    // rax at return
  __u32 pid;
  __u32 tid;
  char comm[16];
  __u64 args[ARGS];        // the register of each argument
  __s32 lengths[ARGS];     // of its text; negative: could not be read
  char texts[ARGS][TEXT];  // its text
};

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 1 << 20);
  __type(value, struct event);
} events SEC(".maps");

// Calls under way. LRU, as a call that longjmp leaves never returns.
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 4096);
  __type(key, struct call);
  __type(value, struct event);
} calls SEC(".maps");

// An event of zeros: what a new element of calls begins as, because an event is larger than the stack of a program.
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct event);
} blank SEC(".maps");

// Events that found no room.
__u64 lost = 0;

static __always_inline void read_text(struct event *e, int i, __u64 at, __u64 len) {
  e->args[i] = at;
  if (len > TEXT)
    len = TEXT;
  if (len == 0)
    return;
  long err = bpf_probe_read_user(e->texts[i], len, (void *)at);
  e->lengths[i] = err ? -1 : (__s32)len;
}

static __always_inline void read_arg(void *ctx, struct event *e, int i) {
  __u64 value = reg(ctx, args[i].reg), pair[2] = {};
  switch (args[i].how) {
  case NOTHING:
    return;
  case NUMBER:
    e->args[i] = value;
    return;
  case TEXT_AT:
    e->args[i] = value;
    if (value) {
      long n = bpf_probe_read_user_str(e->texts[i], TEXT, (void *)value);
      e->lengths[i] = n > 0 ? n - 1 : -1;
    }
    return;
  case TEXT_OF:
    read_text(e, i, value, reg(ctx, args[i].len));
    return;
  case TEXT_BEHIND:
    if (bpf_probe_read_user(pair, sizeof pair, (void *)value))
      e->lengths[i] = -1;
    else
      read_text(e, i, pair[0], pair[1]);
    return;
  }
}

static __always_inline void fill(void *ctx, struct event *e) {
  __u64 id = bpf_get_current_pid_tgid();
  e->time = bpf_ktime_get_ns();
  e->duration = 0;
  e->result = 0;
  e->pid = id >> 32;
  e->tid = id;
  bpf_get_current_comm(e->comm, sizeof e->comm);
#pragma unroll
  for (int i = 0; i < ARGS; i++) {
    e->args[i] = 0;
    e->lengths[i] = 0;
    read_arg(ctx, e, i);
  }
}

SEC("uprobe")
int on_entry(void *ctx) {
  if (!wanted())
    return 0;
  if (!at_return) {
    struct event *e = bpf_ringbuf_reserve(&events, sizeof *e, 0);
    if (!e) {
      __sync_fetch_and_add(&lost, 1);
      return 0;
    }
    fill(ctx, e);
    bpf_ringbuf_submit(e, 0);
    return 0;
  }
  struct call key = {bpf_get_current_pid_tgid(), reg(ctx, RSP)};
  __u32 first = 0;
  struct event *none = bpf_map_lookup_elem(&blank, &first);
  if (!none || bpf_map_update_elem(&calls, &key, none, BPF_ANY)) {
    __sync_fetch_and_add(&lost, 1);
    return 0;
  }
  struct event *e = bpf_map_lookup_elem(&calls, &key);
  if (e)
    fill(ctx, e);
  return 0;
}

SEC("uretprobe")
int on_return(void *ctx) {
  // The return has taken the return address, 8 bytes, off the stack.
  struct call key = {bpf_get_current_pid_tgid(), reg(ctx, RSP) - 8};
  struct event *e = bpf_map_lookup_elem(&calls, &key);
  if (!e)
    return 0;
  e->duration = bpf_ktime_get_ns() - e->time;
  e->result = reg(ctx, RAX);
  if (bpf_ringbuf_output(&events, e, sizeof *e, 0))
    __sync_fetch_and_add(&lost, 1);
  bpf_map_delete_elem(&calls, &key);
  return 0;
}
