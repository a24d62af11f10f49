package prototype

import (
	"strings"
	"testing"

	"github.com/sonde-project/sonde/internal/ctype"
)

func TestLookupKnowsLibrariesByAnyOfTheirNames(t *testing.T) {
	for _, c := range []struct{ library, function, want string }{
		{"libc", "malloc", "void *malloc(size_t size)"},
		{"/usr/lib/x86_64-linux-gnu/libc.so.6", "getaddrinfo", "int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **res)"},
		{"libc-2.31.so", "read", "ssize_t read(int fd, void *buf, size_t count)"},
		{"/lib/ld-musl-x86_64.so.1", "strlen", "size_t strlen(const char *s)"},
		{"libjemalloc.so.2", "je_malloc", "void *je_malloc(size_t size)"},
		{"libpthread.so.0", "write", "ssize_t write(int fd, const void *buf, size_t count)"},
		{"libc.so.6", "pthread_create", "int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start_routine)(void *), void *arg)"},
		{"m", "cos", "double cos(double x)"},
		{"libc.so.6", "__libc_malloc", "void *__libc_malloc(size_t size)"},
		{"libc.so.6", "open64", "int open64(const char *path, int flags, ...)"},
		{"libc.so.6", "__open64_nocancel", "int __open64_nocancel(const char *path, int flags, ...)"},
		{"libc.so.6", "_IO_puts", "int _IO_puts(const char *s)"},
		{"libc.so.6", "memcpy@@GLIBC_2.14", "void *memcpy@@GLIBC_2.14(void *dest, const void *src, size_t n)"},
		{"libc.so.6", "__memmove_avx_unaligned_erms", "void *__memmove_avx_unaligned_erms(void *dest, const void *src, size_t n)"},
		{"libc.so.6", "__printf_chk", "int __printf_chk(int flag, const char *format, ...)"},
		{"libc.so.6", "__isoc99_sscanf", "int __isoc99_sscanf(const char *str, const char *format, ...)"},
	} {
		sig, ok := Lookup(c.library, c.function)
		if !ok {
			t.Errorf("%s:%s is not known", c.library, c.function)
			continue
		}
		if got := sig.String(c.function); got != c.want {
			t.Errorf("%s:%s reads %q, want %q", c.library, c.function, got, c.want)
		}
	}
	for _, c := range [][2]string{{"libc", "no_such_function"}, {"/usr/bin/redis-server", "malloc"}, {"libc", ""}, {"", ""}, {"libc", "__"}} {
		if sig, ok := Lookup(c[0], c[1]); ok {
			t.Errorf("%s:%s is known as %s", c[0], c[1], sig.String(c[1]))
		}
	}
}

func TestAnnotationsSayWhatCDoesNot(t *testing.T) {
	open, _ := Lookup("libc", "open")
	read, _ := Lookup("libc", "read")
	lock, _ := Lookup("libc", "pthread_mutex_lock")
	fread, _ := Lookup("libc", "fread")
	accept, _ := Lookup("libc", "accept")
	pipe, _ := Lookup("libc", "pipe")
	flags := open.Params[1].Type
	switch {
	case open.Fails != "negative", open.Results[0].Type.Format != "fd", open.Params[0].Type.Kind != ctype.CString, !open.Params[0].Type.Const:
		t.Errorf("open is read as %+v", open)
	case flags.Kind != ctype.Enum || !flags.Flags || flags.Size != 4 || len(flags.Enumerators) < 20:
		t.Errorf("open's flags are %+v", flags)
	case read.Params[1].Len != "return" || !read.Params[1].Out || read.Params[1].Type.Kind != ctype.Pointer:
		t.Errorf("read's buffer is %+v", read.Params[1])
	case lock.Results[0].Type.Format != "errno" || lock.Fails != "":
		t.Errorf("pthread_mutex_lock gives %+v", lock.Results[0])
	case fread.Params[0].Len != "size*nmemb":
		t.Errorf("fread's buffer is %+v", fread.Params[0])
	case accept.Params[1].Len != "*addrlen" || accept.Params[1].Type.Elem.Format != "sockaddr":
		t.Errorf("accept's address is %+v", accept.Params[1])
	case pipe.Params[0].Type.Elem.Format != "fd":
		t.Errorf("pipe's array is %+v", pipe.Params[0].Type)
	}
}

func TestHeadersAsTheyAreFoundAreRead(t *testing.T) {
	table, err := Parse(`
#ifndef X_H
#define LONG(x) \
	x
# 12 "x.h" 3
extern "C" {
typedef struct node { struct node *next; unsigned flags:3, :0, kind:5; union { int i; double d; }; char name[sizeof(long)*2]; } node_t;
__extension__ typedef long long big;
static inline int twice(int x) { return x * 2; if (x) { } }
extern int (*handler)(int), table[3], first(const node_t *n, /* why */ big b);
struct node *find(struct node *restrict, const char *name) __attribute__((nonnull(1), pure)) __asm__("find2");
int visit(int (*fn)(void *, size_t), void (**list)(void), char *const argv[], double m[3][4]);
void (*signal_like(int sig, void (*func)(int)))(int);
unsigned long long int wide(unsigned char c, long double d, __int128 i, float _Complex z) __THROW;
API int exported(void);
_Static_assert(sizeof(int) == 4, "int");
enum { SHIFTED = ((9) < 8 ? ((1 << (9)) << 8) : ((1 << (9)) >> 8)), TRUE = !(3 == 4) && 2 >= 2 };
int sized(char a[SHIFTED], int b);
SOME_API ANOTHER_MACRO extern int twice_exported(const char *);
typedef unsigned char bytes[16] __attribute__((aligned(16)));
int write_all(int fd /*@fd*/, const char buf[n] /* plain */, unsigned n) /*@fails(negative)*/;
}
#endif
`)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"first":       "int first(const node_t *n, big b)",
		"twice":       "int twice(int x)",
		"find":        "struct node *find(struct node *, const char *name)",
		"visit":       "int visit(int (*fn)(void *, size_t), void (**list)(void), char *const *argv, double (*m)[4])",
		"signal_like": "void (*signal_like(int sig, void (*func)(int)))(int)",
		"wide":        "unsigned long long wide(unsigned char c, long double d, __int128 i, float _Complex z)",
		"exported":    "int exported(void)",
		"sized":       "int sized(char *a, int b)",
		"write_all":   "int write_all(int fd, const char *buf, unsigned int n)",
	} {
		sig, ok := table.Lookup(name)
		if !ok {
			t.Errorf("%s is not declared", name)
			continue
		}
		if got := sig.String(name); got != want {
			t.Errorf("%s reads %q, want %q", name, got, want)
		}
	}
	node, ok := table.TypeNamed("struct node")
	if !ok || node.Size != 40 || len(node.Fields) != 5 || node.Fields[2].BitOffset != 96 || node.Fields[4].Offset != 24 {
		t.Errorf("struct node is laid out as %+v", node)
	}
	if b, _ := table.TypeNamed("bytes"); b.Sizeof() != 16 {
		t.Errorf("bytes is %+v", b)
	}
}

// FuzzParse: any text is read or refused with a place inside it.
func FuzzParse(f *testing.F) {
	f.Add(ownText("libc")[:4000])
	f.Add("int (*f(int (*)(int[3])))(void) @fails(null);")
	f.Add("struct s { int a:3; struct s *n; } __attribute__((packed));")
	f.Add(strings.Repeat("(", 500))
	f.Fuzz(func(t *testing.T, text string) {
		table, err := Parse(text)
		if err != nil {
			return
		}
		for _, name := range table.Functions() {
			sig, _ := table.Lookup(name)
			_ = sig.String(name)
			ctype.Place(sig)
		}
	})
}
