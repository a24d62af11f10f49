// Types that several libraries share, for x86-64 Linux.

typedef unsigned long size_t;
typedef long ssize_t;
typedef long ptrdiff_t;
typedef long intptr_t;
typedef unsigned long uintptr_t;
typedef signed char int8_t;
typedef unsigned char uint8_t;
typedef short int16_t;
typedef unsigned short uint16_t;
typedef int int32_t;
typedef unsigned int uint32_t;
typedef long int64_t;
typedef unsigned long uint64_t;
typedef long intmax_t;
typedef unsigned long uintmax_t;
typedef int wchar_t;
typedef unsigned int wint_t;
typedef __int128 __int128_t;
typedef unsigned __int128 __uint128_t;
typedef struct __va_list_tag { unsigned gp_offset; unsigned fp_offset; void *overflow_arg_area; void *reg_save_area; } __builtin_va_list[1];
typedef void *va_list;

typedef int pid_t @pid;
typedef unsigned int uid_t;
typedef unsigned int gid_t;
typedef unsigned int id_t;
typedef unsigned int mode_t @mode;
typedef long off_t;
typedef long off64_t;
typedef unsigned long dev_t;
typedef unsigned long ino_t;
typedef unsigned long nlink_t;
typedef long blksize_t;
typedef long blkcnt_t;
typedef unsigned long fsblkcnt_t;
typedef unsigned long fsfilcnt_t;
typedef int key_t;
typedef long time_t;
typedef long suseconds_t;
typedef unsigned int useconds_t;
typedef long clock_t;
typedef int clockid_t;
typedef void *timer_t;
typedef unsigned int socklen_t;
typedef unsigned short sa_family_t;
typedef unsigned short in_port_t;
typedef unsigned int in_addr_t;
typedef unsigned int u_int;
typedef unsigned long u_long;
typedef unsigned char u_char;
typedef unsigned short u_short;
typedef int errno_t @errno;

typedef struct _IO_FILE FILE;

struct timespec { time_t tv_sec; long tv_nsec; };
struct timeval { time_t tv_sec; suseconds_t tv_usec; };
struct timezone { int tz_minuteswest; int tz_dsttime; };
struct tm {
	int tm_sec; int tm_min; int tm_hour; int tm_mday; int tm_mon; int tm_year; int tm_wday; int tm_yday; int tm_isdst;
	long tm_gmtoff; const char *tm_zone;
};

enum address_family {
	AF_UNSPEC = 0, AF_UNIX = 1, AF_INET = 2, AF_AX25 = 3, AF_IPX = 4, AF_APPLETALK = 5, AF_X25 = 9, AF_INET6 = 10, AF_KEY = 15, AF_NETLINK = 16,
	AF_PACKET = 17, AF_RDS = 21, AF_CAN = 29, AF_TIPC = 30, AF_BLUETOOTH = 31, AF_ALG = 38, AF_VSOCK = 40, AF_XDP = 44
};
enum socket_type {
	SOCK_STREAM = 1 @of(15), SOCK_DGRAM = 2 @of(15), SOCK_RAW = 3 @of(15), SOCK_RDM = 4 @of(15), SOCK_SEQPACKET = 5 @of(15),
	SOCK_DCCP = 6 @of(15), SOCK_PACKET = 10 @of(15), SOCK_NONBLOCK = 04000, SOCK_CLOEXEC = 02000000
} @flags;
enum ip_protocol { IPPROTO_IP = 0, IPPROTO_ICMP = 1, IPPROTO_TCP = 6, IPPROTO_UDP = 17, IPPROTO_IPV6 = 41, IPPROTO_ICMPV6 = 58, IPPROTO_SCTP = 132, IPPROTO_RAW = 255 };

struct sockaddr { sa_family_t sa_family @enum(address_family); char sa_data[14]; } @sockaddr;
struct in_addr { in_addr_t s_addr; };
struct sockaddr_in { sa_family_t sin_family; in_port_t sin_port; struct in_addr sin_addr; unsigned char sin_zero[8]; } @sockaddr;
struct in6_addr { unsigned char s6_addr[16] __attribute__((aligned(4))); };
struct sockaddr_in6 { sa_family_t sin6_family; in_port_t sin6_port; uint32_t sin6_flowinfo; struct in6_addr sin6_addr; uint32_t sin6_scope_id; } @sockaddr;
struct sockaddr_un { sa_family_t sun_family; char sun_path[108]; } @sockaddr;
enum addrinfo_flags {
	AI_PASSIVE = 0x1, AI_CANONNAME = 0x2, AI_NUMERICHOST = 0x4, AI_V4MAPPED = 0x8, AI_ALL = 0x10, AI_ADDRCONFIG = 0x20, AI_IDN = 0x40, AI_CANONIDN = 0x80,
	AI_NUMERICSERV = 0x400
} @flags;
struct addrinfo {
	int ai_flags @flags(addrinfo_flags); int ai_family @enum(address_family); int ai_socktype @flags(socket_type); int ai_protocol @enum(ip_protocol);
	socklen_t ai_addrlen; struct sockaddr *ai_addr; char *ai_canonname; struct addrinfo *ai_next;
};
struct iovec { void *iov_base; size_t iov_len; };

// What a set has of the signals that have names; the kernel knows 64, and the C library leaves room for 1024.
enum signal_set {
	SIGHUP = 1 << 0, SIGINT = 1 << 1, SIGQUIT = 1 << 2, SIGILL = 1 << 3, SIGTRAP = 1 << 4, SIGABRT = 1 << 5, SIGBUS = 1 << 6, SIGFPE = 1 << 7,
	SIGKILL = 1 << 8, SIGUSR1 = 1 << 9, SIGSEGV = 1 << 10, SIGUSR2 = 1 << 11, SIGPIPE = 1 << 12, SIGALRM = 1 << 13, SIGTERM = 1 << 14,
	SIGSTKFLT = 1 << 15, SIGCHLD = 1 << 16, SIGCONT = 1 << 17, SIGSTOP = 1 << 18, SIGTSTP = 1 << 19, SIGTTIN = 1 << 20, SIGTTOU = 1 << 21,
	SIGURG = 1 << 22, SIGXCPU = 1 << 23, SIGXFSZ = 1 << 24, SIGVTALRM = 1 << 25, SIGPROF = 1 << 26, SIGWINCH = 1 << 27, SIGIO = 1 << 28,
	SIGPWR = 1 << 29, SIGSYS = 1 << 30
} @flags;
typedef struct {
	unsigned long __val @flags(signal_set);
	unsigned long : 64, : 64, : 64, : 64, : 64;
	unsigned long : 64, : 64, : 64, : 64, : 64;
	unsigned long : 64, : 64, : 64, : 64, : 64;
} sigset_t;
typedef struct { unsigned long __bits[16] @hex; } cpu_set_t;
struct sched_param { int sched_priority; };
enum open_flags {
	O_RDONLY = 0 @of(3), O_WRONLY = 1 @of(3), O_RDWR = 2 @of(3), O_CREAT = 0100, O_EXCL = 0200, O_NOCTTY = 0400, O_TRUNC = 01000, O_APPEND = 02000,
	O_NONBLOCK = 04000, O_DSYNC = 010000 @of(04010000), O_SYNC = 04010000 @of(04010000), O_ASYNC = 020000, O_DIRECT = 040000, O_LARGEFILE = 0100000,
	O_TMPFILE = 020200000 @of(020200000), O_DIRECTORY = 0200000 @of(020200000), O_NOFOLLOW = 0400000, O_NOATIME = 01000000, O_CLOEXEC = 02000000,
	O_PATH = 010000000
} @flags;
enum clock_id {
	CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE,
	CLOCK_BOOTTIME, CLOCK_REALTIME_ALARM, CLOCK_BOOTTIME_ALARM, CLOCK_TAI = 11
};
enum sigprocmask_how { SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK };
enum sched_policy { SCHED_OTHER, SCHED_FIFO, SCHED_RR, SCHED_BATCH, SCHED_IDLE = 5, SCHED_DEADLINE = 6 };
