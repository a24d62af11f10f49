// Dynamic loading.

enum dlopen_flags {
	RTLD_LAZY = 0x1, RTLD_NOW = 0x2, RTLD_NOLOAD = 0x4, RTLD_DEEPBIND = 0x8, RTLD_GLOBAL = 0x100, RTLD_NODELETE = 0x1000
} @flags;
typedef struct { const char *dli_fname; void *dli_fbase; const char *dli_sname; void *dli_saddr; } Dl_info;
typedef long Lmid_t;
struct dl_phdr_info;

void *dlopen(const char *file, int mode @flags(dlopen_flags));
void *dlmopen(Lmid_t nsid, const char *file, int mode @flags(dlopen_flags));
int dlclose(void *handle);
void *dlsym(void *restrict handle, const char *restrict name);
void *dlvsym(void *restrict handle, const char *restrict name, const char *restrict version);
char *dlerror(void);
int dladdr(const void *address, Dl_info *info @out);
int dladdr1(const void *address, Dl_info *info @out, void **extra_info @out, int flags);
int dlinfo(void *restrict handle, int request, void *restrict arg);
int dl_iterate_phdr(int (*callback)(struct dl_phdr_info *, size_t, void *), void *data);
