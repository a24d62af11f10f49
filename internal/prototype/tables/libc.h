// The C library, by header.

// <fcntl.h>, <unistd.h>, <sys/stat.h>: files

enum at_flags {
	AT_SYMLINK_NOFOLLOW = 0x100, AT_REMOVEDIR = 0x200, AT_SYMLINK_FOLLOW = 0x400, AT_NO_AUTOMOUNT = 0x800, AT_EMPTY_PATH = 0x1000,
	AT_STATX_FORCE_SYNC = 0x2000, AT_STATX_DONT_SYNC = 0x4000
} @flags;
enum faccess_flags { AT_EACCESS = 0x200, AT_SYMLINK_NOFOLLOW = 0x100 } @flags;
enum access_mode { F_OK = 0, X_OK = 1, W_OK = 2, R_OK = 4 } @flags;
enum seek_whence { SEEK_SET, SEEK_CUR, SEEK_END, SEEK_DATA, SEEK_HOLE };
enum fcntl_command {
	F_DUPFD = 0, F_GETFD = 1, F_SETFD = 2, F_GETFL = 3, F_SETFL = 4, F_GETLK = 5, F_SETLK = 6, F_SETLKW = 7, F_SETOWN = 8, F_GETOWN = 9,
	F_SETSIG = 10, F_GETSIG = 11, F_SETOWN_EX = 15, F_GETOWN_EX = 16, F_OFD_GETLK = 36, F_OFD_SETLK = 37, F_OFD_SETLKW = 38, F_SETLEASE = 1024,
	F_GETLEASE = 1025, F_NOTIFY = 1026, F_DUPFD_CLOEXEC = 1030, F_SETPIPE_SZ = 1031, F_GETPIPE_SZ = 1032, F_ADD_SEALS = 1033, F_GET_SEALS = 1034
};
enum lock_operation { LOCK_SH = 1, LOCK_EX = 2, LOCK_NB = 4, LOCK_UN = 8 } @flags;
enum lockf_command { F_ULOCK, F_LOCK, F_TLOCK, F_TEST };
enum dir_fd { AT_FDCWD = -100 };

struct stat {
	dev_t st_dev; ino_t st_ino; nlink_t st_nlink; mode_t st_mode; uid_t st_uid; gid_t st_gid; int __pad0; dev_t st_rdev; off_t st_size;
	blksize_t st_blksize; blkcnt_t st_blocks; struct timespec st_atim; struct timespec st_mtim; struct timespec st_ctim; long __reserved[3];
};
struct statx;
struct __fsid { int __val[2]; };
struct statfs {
	long f_type @hex; long f_bsize; fsblkcnt_t f_blocks; fsblkcnt_t f_bfree; fsblkcnt_t f_bavail; fsfilcnt_t f_files; fsfilcnt_t f_ffree;
	struct __fsid f_fsid; long f_namelen; long f_frsize; long f_flags @hex; long f_spare[4];
};
struct statvfs {
	unsigned long f_bsize; unsigned long f_frsize; fsblkcnt_t f_blocks; fsblkcnt_t f_bfree; fsblkcnt_t f_bavail; fsfilcnt_t f_files;
	fsfilcnt_t f_ffree; fsfilcnt_t f_favail; unsigned long f_fsid; unsigned long f_flag; unsigned long f_namemax; int __f_spare[6];
};
struct utimbuf { time_t actime; time_t modtime; };

int @fd open(const char *path, int flags @flags(open_flags), ...) @fails(negative);
int @fd openat(int dirfd @fd, const char *path, int flags @flags(open_flags), ...) @fails(negative);
int @fd creat(const char *path, mode_t mode) @fails(negative);
int close(int fd @fd) @fails(negative);
int close_range(unsigned int first, unsigned int last, int flags) @fails(negative);
void closefrom(int lowfd @fd);
ssize_t read(int fd @fd, void buf[return] @out, size_t count) @fails(negative);
ssize_t write(int fd @fd, const void buf[count], size_t count) @fails(negative);
ssize_t pread(int fd @fd, void buf[return] @out, size_t count, off_t offset) @fails(negative);
ssize_t pwrite(int fd @fd, const void buf[count], size_t count, off_t offset) @fails(negative);
ssize_t readv(int fd @fd, const struct iovec iov[iovcnt], int iovcnt) @fails(negative);
ssize_t writev(int fd @fd, const struct iovec iov[iovcnt], int iovcnt) @fails(negative);
ssize_t preadv(int fd @fd, const struct iovec iov[iovcnt], int iovcnt, off_t offset) @fails(negative);
ssize_t pwritev(int fd @fd, const struct iovec iov[iovcnt], int iovcnt, off_t offset) @fails(negative);
ssize_t preadv2(int fd @fd, const struct iovec iov[iovcnt], int iovcnt, off_t offset, int flags @hex) @fails(negative);
ssize_t pwritev2(int fd @fd, const struct iovec iov[iovcnt], int iovcnt, off_t offset, int flags @hex) @fails(negative);
off_t lseek(int fd @fd, off_t offset, int whence @enum(seek_whence)) @fails(negative);
int fcntl(int fd @fd, int cmd @enum(fcntl_command), ...) @fails(negative);
int ioctl(int fd @fd, unsigned long request @hex, ...) @fails(negative);
int @fd dup(int oldfd @fd) @fails(negative);
int @fd dup2(int oldfd @fd, int newfd @fd) @fails(negative);
int @fd dup3(int oldfd @fd, int newfd @fd, int flags @flags(open_flags)) @fails(negative);
int pipe(int pipefd[2] @fd @out) @fails(negative);
int pipe2(int pipefd[2] @fd @out, int flags @flags(open_flags)) @fails(negative);
int fsync(int fd @fd) @fails(negative);
int fdatasync(int fd @fd) @fails(negative);
int syncfs(int fd @fd) @fails(negative);
void sync(void);
int sync_file_range(int fd @fd, off_t offset, off_t count, unsigned int flags @hex) @fails(negative);
int ftruncate(int fd @fd, off_t length) @fails(negative);
int truncate(const char *path, off_t length) @fails(negative);
int fallocate(int fd @fd, int mode @hex, off_t offset, off_t len) @fails(negative);
int @errno posix_fallocate(int fd @fd, off_t offset, off_t len);
int @errno posix_fadvise(int fd @fd, off_t offset, off_t len, int advice);
ssize_t readahead(int fd @fd, off_t offset, size_t count) @fails(negative);
int stat(const char *restrict path, struct stat *restrict statbuf @out) @fails(negative);
int fstat(int fd @fd, struct stat *statbuf @out) @fails(negative);
int lstat(const char *restrict path, struct stat *restrict statbuf @out) @fails(negative);
int fstatat(int dirfd @fd, const char *restrict path, struct stat *restrict statbuf @out, int flags @flags(at_flags)) @fails(negative);
int statx(int dirfd @fd, const char *restrict path, int flags @flags(at_flags), unsigned int mask @hex, struct statx *restrict statxbuf) @fails(negative);
int __xstat(int ver, const char *path, struct stat *statbuf @out) @fails(negative) @alias(__xstat64);
int __fxstat(int ver, int fd @fd, struct stat *statbuf @out) @fails(negative) @alias(__fxstat64);
int __lxstat(int ver, const char *path, struct stat *statbuf @out) @fails(negative) @alias(__lxstat64);
int __fxstatat(int ver, int dirfd @fd, const char *path, struct stat *statbuf @out, int flags @flags(at_flags)) @fails(negative) @alias(__fxstatat64);
int statfs(const char *path, struct statfs *buf @out) @fails(negative);
int fstatfs(int fd @fd, struct statfs *buf @out) @fails(negative);
int statvfs(const char *restrict path, struct statvfs *restrict buf @out) @fails(negative);
int fstatvfs(int fd @fd, struct statvfs *buf @out) @fails(negative);
int access(const char *path, int mode @flags(access_mode)) @fails(negative);
int euidaccess(const char *path, int mode @flags(access_mode)) @fails(negative) @alias(eaccess);
int faccessat(int dirfd @fd, const char *path, int mode @flags(access_mode), int flags @flags(faccess_flags)) @fails(negative);
int chmod(const char *path, mode_t mode) @fails(negative);
int lchmod(const char *path, mode_t mode) @fails(negative);
int fchmod(int fd @fd, mode_t mode) @fails(negative);
int fchmodat(int dirfd @fd, const char *path, mode_t mode, int flags @flags(at_flags)) @fails(negative);
int chown(const char *path, uid_t owner, gid_t group) @fails(negative);
int fchown(int fd @fd, uid_t owner, gid_t group) @fails(negative);
int lchown(const char *path, uid_t owner, gid_t group) @fails(negative);
int fchownat(int dirfd @fd, const char *path, uid_t owner, gid_t group, int flags @flags(at_flags)) @fails(negative);
mode_t umask(mode_t mask);
int mkdir(const char *path, mode_t mode) @fails(negative);
int mkdirat(int dirfd @fd, const char *path, mode_t mode) @fails(negative);
int rmdir(const char *path) @fails(negative);
int unlink(const char *path) @fails(negative);
int unlinkat(int dirfd @fd, const char *path, int flags @flags(at_flags)) @fails(negative);
int remove(const char *path) @fails(negative);
int rename(const char *oldpath, const char *newpath) @fails(negative);
int renameat(int olddirfd @fd, const char *oldpath, int newdirfd @fd, const char *newpath) @fails(negative);
int renameat2(int olddirfd @fd, const char *oldpath, int newdirfd @fd, const char *newpath, unsigned int flags @hex) @fails(negative);
int link(const char *oldpath, const char *newpath) @fails(negative);
int linkat(int olddirfd @fd, const char *oldpath, int newdirfd @fd, const char *newpath, int flags @flags(at_flags)) @fails(negative);
int symlink(const char *target, const char *linkpath) @fails(negative);
int symlinkat(const char *target, int newdirfd @fd, const char *linkpath) @fails(negative);
ssize_t readlink(const char *restrict path, char buf[return] @out, size_t bufsiz) @fails(negative);
ssize_t readlinkat(int dirfd @fd, const char *restrict path, char buf[return] @out, size_t bufsiz) @fails(negative);
int mknod(const char *path, mode_t mode, dev_t dev) @fails(negative);
int mknodat(int dirfd @fd, const char *path, mode_t mode, dev_t dev) @fails(negative);
int mkfifo(const char *path, mode_t mode) @fails(negative);
int mkfifoat(int dirfd @fd, const char *path, mode_t mode) @fails(negative);
int chdir(const char *path) @fails(negative);
int fchdir(int fd @fd) @fails(negative);
int chroot(const char *path) @fails(negative);
char *getcwd(char *buf @out, size_t size) @fails(null);
char *getwd(char *buf @out) @fails(null);
char *get_current_dir_name(void) @fails(null);
char *realpath(const char *restrict path, char *restrict resolved_path @out) @fails(null);
char *canonicalize_file_name(const char *path) @fails(null);
int utime(const char *path, const struct utimbuf *times) @fails(negative);
int utimes(const char *path, const struct timeval times[2]) @fails(negative);
int futimes(int fd @fd, const struct timeval times[2]) @fails(negative);
int lutimes(const char *path, const struct timeval times[2]) @fails(negative);
int utimensat(int dirfd @fd, const char *path, const struct timespec times[2], int flags @flags(at_flags)) @fails(negative);
int futimens(int fd @fd, const struct timespec times[2]) @fails(negative);
int flock(int fd @fd, int operation @flags(lock_operation)) @fails(negative);
int lockf(int fd @fd, int cmd @enum(lockf_command), off_t len) @fails(negative);
int isatty(int fd @fd);
char *ttyname(int fd @fd) @fails(null);
int @errno ttyname_r(int fd @fd, char *buf @out, size_t buflen);
ssize_t sendfile(int out_fd @fd, int in_fd @fd, off_t *offset, size_t count) @fails(negative);
ssize_t splice(int fd_in @fd, off_t *off_in, int fd_out @fd, off_t *off_out, size_t len, unsigned int flags @hex) @fails(negative);
ssize_t tee(int fd_in @fd, int fd_out @fd, size_t len, unsigned int flags @hex) @fails(negative);
ssize_t vmsplice(int fd @fd, const struct iovec iov[count], size_t count, unsigned int flags @hex) @fails(negative);
ssize_t copy_file_range(int fd_in @fd, off_t *off_in, int fd_out @fd, off_t *off_out, size_t len, unsigned int flags @hex) @fails(negative);
int @fd mkstemp(char *template) @fails(negative);
int @fd mkstemps(char *template, int suffixlen) @fails(negative);
int @fd mkostemp(char *template, int flags @flags(open_flags)) @fails(negative);
int @fd mkostemps(char *template, int suffixlen, int flags @flags(open_flags)) @fails(negative);
char *mkdtemp(char *template) @fails(null);
char *mktemp(char *template);
char *tmpnam(char *s @out);
char *tempnam(const char *dir, const char *prefix) @fails(null);
long pathconf(const char *path, int name) @fails(negative);
long fpathconf(int fd @fd, int name) @fails(negative);
long sysconf(int name) @fails(negative);
size_t confstr(int name, char *buf @out, size_t len);
int getpagesize(void);
int getdtablesize(void);
int mount(const char *source, const char *target, const char *type, unsigned long flags @hex, const void *data) @fails(negative);
int umount(const char *target) @fails(negative);
int umount2(const char *target, int flags @hex) @fails(negative);
int pivot_root(const char *new_root, const char *put_old) @fails(negative);
int swapon(const char *path, int flags @hex) @fails(negative);
int swapoff(const char *path) @fails(negative);
int acct(const char *filename) @fails(negative);
int @fd memfd_create(const char *name, unsigned int flags @hex) @fails(negative);

ssize_t getxattr(const char *path, const char *name, void value[return] @out, size_t size) @fails(negative);
ssize_t lgetxattr(const char *path, const char *name, void value[return] @out, size_t size) @fails(negative);
ssize_t fgetxattr(int fd @fd, const char *name, void value[return] @out, size_t size) @fails(negative);
int setxattr(const char *path, const char *name, const void value[size], size_t size, int flags @hex) @fails(negative);
int lsetxattr(const char *path, const char *name, const void value[size], size_t size, int flags @hex) @fails(negative);
int fsetxattr(int fd @fd, const char *name, const void value[size], size_t size, int flags @hex) @fails(negative);
ssize_t listxattr(const char *path, char list[return] @out, size_t size) @fails(negative);
ssize_t llistxattr(const char *path, char list[return] @out, size_t size) @fails(negative);
ssize_t flistxattr(int fd @fd, char list[return] @out, size_t size) @fails(negative);
int removexattr(const char *path, const char *name) @fails(negative);
int lremovexattr(const char *path, const char *name) @fails(negative);
int fremovexattr(int fd @fd, const char *name) @fails(negative);

enum inotify_mask {
	IN_ACCESS = 0x1, IN_MODIFY = 0x2, IN_ATTRIB = 0x4, IN_CLOSE_WRITE = 0x8, IN_CLOSE_NOWRITE = 0x10, IN_OPEN = 0x20, IN_MOVED_FROM = 0x40,
	IN_MOVED_TO = 0x80, IN_CREATE = 0x100, IN_DELETE = 0x200, IN_DELETE_SELF = 0x400, IN_MOVE_SELF = 0x800, IN_ONLYDIR = 0x1000000,
	IN_DONT_FOLLOW = 0x2000000, IN_EXCL_UNLINK = 0x4000000, IN_MASK_ADD = 0x20000000, IN_ISDIR = 0x40000000, IN_ONESHOT = 0x80000000
} @flags;
int @fd inotify_init(void) @fails(negative);
int @fd inotify_init1(int flags @flags(open_flags)) @fails(negative);
int inotify_add_watch(int fd @fd, const char *path, uint32_t mask @flags(inotify_mask)) @fails(negative);
int inotify_rm_watch(int fd @fd, int wd) @fails(negative);
int @fd fanotify_init(unsigned int flags @hex, unsigned int event_f_flags @hex) @fails(negative);
int fanotify_mark(int fanotify_fd @fd, unsigned int flags @hex, uint64_t mask @hex, int dirfd @fd, const char *path) @fails(negative);

// <dirent.h>, <ftw.h>, <glob.h>, <fnmatch.h>

typedef struct __dirstream DIR;
enum dirent_type { DT_UNKNOWN = 0, DT_FIFO = 1, DT_CHR = 2, DT_DIR = 4, DT_BLK = 6, DT_REG = 8, DT_LNK = 10, DT_SOCK = 12, DT_WHT = 14 };
struct dirent { ino_t d_ino; off_t d_off; unsigned short d_reclen; unsigned char d_type @enum(dirent_type); char d_name[256]; };
struct FTW { int base; int level; };
typedef struct { size_t gl_pathc; char **gl_pathv; size_t gl_offs; int gl_flags; void (*gl_closedir)(void *); struct dirent *(*gl_readdir)(void *);
	void *(*gl_opendir)(const char *); int (*gl_lstat)(const char *restrict, struct stat *restrict); int (*gl_stat)(const char *restrict, struct stat *restrict);
} glob_t;

DIR *opendir(const char *name) @fails(null);
DIR *fdopendir(int fd @fd) @fails(null);
struct dirent *readdir(DIR *dirp);
int @errno readdir_r(DIR *restrict dirp, struct dirent *restrict entry @out, struct dirent **restrict result @out);
int closedir(DIR *dirp) @fails(negative);
void rewinddir(DIR *dirp);
void seekdir(DIR *dirp, long loc);
long telldir(DIR *dirp) @fails(negative);
int dirfd(DIR *dirp) @fails(negative);
int scandir(const char *restrict dir, struct dirent ***restrict namelist @out, int (*filter)(const struct dirent *), int (*compar)(const struct dirent **, const struct dirent **)) @fails(negative);
int scandirat(int dirfd @fd, const char *restrict dir, struct dirent ***restrict namelist @out, int (*filter)(const struct dirent *), int (*compar)(const struct dirent **, const struct dirent **)) @fails(negative);
int alphasort(const struct dirent **a, const struct dirent **b);
int versionsort(const struct dirent **a, const struct dirent **b);
int ftw(const char *dirpath, int (*fn)(const char *, const struct stat *, int), int nopenfd) @fails(negative);
int nftw(const char *dirpath, int (*fn)(const char *, const struct stat *, int, struct FTW *), int nopenfd, int flags @hex) @fails(negative);
int glob(const char *restrict pattern, int flags @hex, int (*errfunc)(const char *, int), glob_t *restrict pglob @out);
void globfree(glob_t *pglob);
int fnmatch(const char *pattern, const char *string, int flags @hex);
char *basename(const char *path);
char *__xpg_basename(char *path);
char *dirname(char *path);
ssize_t getdents64(int fd @fd, void *buffer, size_t length) @fails(negative);

// <stdio.h>

FILE *fopen(const char *restrict path, const char *restrict mode) @fails(null);
FILE *fdopen(int fd @fd, const char *mode) @fails(null);
FILE *freopen(const char *restrict path, const char *restrict mode, FILE *restrict stream) @fails(null);
FILE *fmemopen(void *buf, size_t size, const char *mode) @fails(null);
FILE *open_memstream(char **ptr, size_t *sizeloc) @fails(null);
FILE *tmpfile(void) @fails(null);
int fclose(FILE *stream) @fails(eof);
int fcloseall(void) @fails(eof);
int fflush(FILE *stream) @fails(eof) @alias(fflush_unlocked);
size_t fread(void ptr[size*nmemb] @out, size_t size, size_t nmemb, FILE *restrict stream) @alias(fread_unlocked);
size_t fwrite(const void ptr[size*nmemb], size_t size, size_t nmemb, FILE *restrict stream) @alias(fwrite_unlocked);
size_t __fread_chk(void *restrict ptr, size_t ptrlen, size_t size, size_t nmemb, FILE *restrict stream) @alias(__fread_unlocked_chk);
int fgetc(FILE *stream) @alias(fgetc_unlocked);
int getc(FILE *stream) @alias(getc_unlocked);
int getchar(void) @alias(getchar_unlocked);
int fputc(int c, FILE *stream) @fails(eof) @alias(fputc_unlocked);
int putc(int c, FILE *stream) @fails(eof) @alias(putc_unlocked);
int putchar(int c) @fails(eof) @alias(putchar_unlocked);
int ungetc(int c, FILE *stream) @fails(eof);
int getw(FILE *stream);
int putw(int w, FILE *stream);
char *fgets(char *restrict s @out, int size, FILE *restrict stream) @alias(fgets_unlocked);
char *__fgets_chk(char *restrict s @out, size_t slen, int size, FILE *restrict stream) @alias(__fgets_unlocked_chk);
char *gets(char *s @out);
int fputs(const char *restrict s, FILE *restrict stream) @fails(eof) @alias(fputs_unlocked);
int puts(const char *s) @fails(eof);
ssize_t getline(char **restrict lineptr @out, size_t *restrict n, FILE *restrict stream) @fails(negative);
ssize_t getdelim(char **restrict lineptr @out, size_t *restrict n, int delim, FILE *restrict stream) @fails(negative);
int printf(const char *restrict format, ...) @fails(negative);
int fprintf(FILE *restrict stream, const char *restrict format, ...) @fails(negative);
int dprintf(int fd @fd, const char *restrict format, ...) @fails(negative);
int sprintf(char *restrict str @out, const char *restrict format, ...) @fails(negative);
int snprintf(char *restrict str @out, size_t size, const char *restrict format, ...) @fails(negative);
int asprintf(char **restrict strp @out, const char *restrict format, ...) @fails(negative);
int vprintf(const char *restrict format, va_list ap) @fails(negative);
int vfprintf(FILE *restrict stream, const char *restrict format, va_list ap) @fails(negative);
int vdprintf(int fd @fd, const char *restrict format, va_list ap) @fails(negative);
int vsprintf(char *restrict str @out, const char *restrict format, va_list ap) @fails(negative);
int vsnprintf(char *restrict str @out, size_t size, const char *restrict format, va_list ap) @fails(negative);
int vasprintf(char **restrict strp @out, const char *restrict format, va_list ap) @fails(negative);
int __printf_chk(int flag, const char *restrict format, ...) @fails(negative);
int __fprintf_chk(FILE *restrict stream, int flag, const char *restrict format, ...) @fails(negative);
int __dprintf_chk(int fd @fd, int flag, const char *restrict format, ...) @fails(negative);
int __sprintf_chk(char *restrict str @out, int flag, size_t strlen, const char *restrict format, ...) @fails(negative);
int __snprintf_chk(char *restrict str @out, size_t maxlen, int flag, size_t strlen, const char *restrict format, ...) @fails(negative);
int __asprintf_chk(char **restrict strp @out, int flag, const char *restrict format, ...) @fails(negative);
int __vprintf_chk(int flag, const char *restrict format, va_list ap) @fails(negative);
int __vfprintf_chk(FILE *restrict stream, int flag, const char *restrict format, va_list ap) @fails(negative);
int __vdprintf_chk(int fd @fd, int flag, const char *restrict format, va_list ap) @fails(negative);
int __vsprintf_chk(char *restrict str @out, int flag, size_t strlen, const char *restrict format, va_list ap) @fails(negative);
int __vsnprintf_chk(char *restrict str @out, size_t maxlen, int flag, size_t strlen, const char *restrict format, va_list ap) @fails(negative);
int __vasprintf_chk(char **restrict strp @out, int flag, const char *restrict format, va_list ap) @fails(negative);
int scanf(const char *restrict format, ...);
int fscanf(FILE *restrict stream, const char *restrict format, ...);
int sscanf(const char *restrict str, const char *restrict format, ...);
int vscanf(const char *restrict format, va_list ap);
int vfscanf(FILE *restrict stream, const char *restrict format, va_list ap);
int vsscanf(const char *restrict str, const char *restrict format, va_list ap);
int fseek(FILE *stream, long offset, int whence @enum(seek_whence)) @fails(negative);
int fseeko(FILE *stream, off_t offset, int whence @enum(seek_whence)) @fails(negative);
long ftell(FILE *stream) @fails(negative);
off_t ftello(FILE *stream) @fails(negative);
void rewind(FILE *stream);
int feof(FILE *stream) @alias(feof_unlocked);
int ferror(FILE *stream) @alias(ferror_unlocked);
void clearerr(FILE *stream) @alias(clearerr_unlocked);
int fileno(FILE *stream) @fails(negative) @alias(fileno_unlocked);
void setbuf(FILE *restrict stream, char *restrict buf @buf);
void setbuffer(FILE *restrict stream, char *restrict buf @buf, size_t size);
void setlinebuf(FILE *stream);
int setvbuf(FILE *restrict stream, char *restrict buf @buf, int mode, size_t size);
void flockfile(FILE *stream);
int ftrylockfile(FILE *stream);
void funlockfile(FILE *stream);
void perror(const char *s);
FILE *popen(const char *command, const char *type) @fails(null);
int pclose(FILE *stream) @fails(negative);
char *ctermid(char *s @out);
wint_t fgetwc(FILE *stream);
wint_t fputwc(wchar_t wc, FILE *stream);
wint_t getwc(FILE *stream);
wint_t putwc(wchar_t wc, FILE *stream);
wint_t ungetwc(wint_t wc, FILE *stream);
int fputws(const wchar_t *restrict ws, FILE *restrict stream);
wchar_t *fgetws(wchar_t *restrict ws, int n, FILE *restrict stream);
int fwide(FILE *stream, int mode);
int wprintf(const wchar_t *restrict format, ...);
int fwprintf(FILE *restrict stream, const wchar_t *restrict format, ...);
int swprintf(wchar_t *restrict wcs, size_t maxlen, const wchar_t *restrict format, ...);

// <stdlib.h>

typedef struct { int quot; int rem; } div_t;
typedef struct { long quot; long rem; } ldiv_t;
typedef struct { long long quot; long long rem; } lldiv_t;
struct random_data;
struct drand48_data;
struct mallinfo { int arena; int ordblks; int smblks; int hblks; int hblkhd; int usmblks; int fsmblks; int uordblks; int fordblks; int keepcost; };
struct mallinfo2 { size_t arena; size_t ordblks; size_t smblks; size_t hblks; size_t hblkhd; size_t usmblks; size_t fsmblks; size_t uordblks; size_t fordblks; size_t keepcost; };

int mallopt(int param, int value);
int malloc_trim(size_t pad);
void malloc_stats(void);
int malloc_info(int options, FILE *fp) @fails(negative);
struct mallinfo mallinfo(void);
struct mallinfo2 mallinfo2(void);
int brk(void *addr) @fails(negative);
void *sbrk(intptr_t increment) @fails(negative);
int atoi(const char *nptr);
long atol(const char *nptr);
long long atoll(const char *nptr);
double atof(const char *nptr);
long strtol(const char *restrict nptr, char **restrict endptr @out, int base);
long long strtoll(const char *restrict nptr, char **restrict endptr @out, int base) @alias(strtoq);
unsigned long strtoul(const char *restrict nptr, char **restrict endptr @out, int base);
unsigned long long strtoull(const char *restrict nptr, char **restrict endptr @out, int base) @alias(strtouq);
intmax_t strtoimax(const char *restrict nptr, char **restrict endptr @out, int base);
uintmax_t strtoumax(const char *restrict nptr, char **restrict endptr @out, int base);
float strtof(const char *restrict nptr, char **restrict endptr @out);
double strtod(const char *restrict nptr, char **restrict endptr @out);
long double strtold(const char *restrict nptr, char **restrict endptr @out);
int strfromd(char *restrict str @out, size_t n, const char *restrict format, double fp);
char *ecvt(double number, int ndigits, int *restrict decpt @out, int *restrict sign @out);
char *fcvt(double number, int ndigits, int *restrict decpt @out, int *restrict sign @out);
char *gcvt(double number, int ndigit, char *buf @out);
int abs(int j);
long labs(long j);
long long llabs(long long j);
div_t div(int numerator, int denominator);
ldiv_t ldiv(long numerator, long denominator);
lldiv_t lldiv(long long numerator, long long denominator);
int rand(void);
int rand_r(unsigned int *seedp);
void srand(unsigned int seed);
long random(void);
void srandom(unsigned int seed);
char *initstate(unsigned int seed, char *state @buf, size_t n);
char *setstate(char *state @buf);
int random_r(struct random_data *restrict buf, int32_t *restrict result @out);
double drand48(void);
double erand48(unsigned short xsubi[3]);
long lrand48(void);
long nrand48(unsigned short xsubi[3]);
long mrand48(void);
void srand48(long seedval);
uint32_t arc4random(void);
uint32_t arc4random_uniform(uint32_t upper_bound);
void arc4random_buf(void buf[n] @out, size_t n);
ssize_t getrandom(void buf[return] @out, size_t buflen, unsigned int flags @hex) @fails(negative);
int getentropy(void buffer[length] @out, size_t length) @fails(negative);
char *getenv(const char *name);
char *secure_getenv(const char *name);
int setenv(const char *name, const char *value, int overwrite) @fails(negative);
int unsetenv(const char *name) @fails(negative);
int putenv(char *string) @fails(nonzero);
int clearenv(void) @fails(nonzero);
void qsort(void *base, size_t nmemb, size_t size, int (*compar)(const void *, const void *));
void qsort_r(void *base, size_t nmemb, size_t size, int (*compar)(const void *, const void *, void *), void *arg);
void *bsearch(const void *key, const void *base, size_t nmemb, size_t size, int (*compar)(const void *, const void *));
void exit(int status) ;
void _exit(int status) @alias(_Exit);
void quick_exit(int status);
void abort(void);
int atexit(void (*function)(void));
int at_quick_exit(void (*function)(void));
int on_exit(void (*function)(int, void *), void *arg);
int __cxa_atexit(void (*function)(void *), void *arg, void *dso_handle);
void __cxa_finalize(void *dso_handle);
int system(const char *command) @fails(negative);
int mblen(const char *s, size_t n);
int mbtowc(wchar_t *restrict pwc @out, const char *restrict s, size_t n);
int wctomb(char *s @out, wchar_t wc);
size_t mbstowcs(wchar_t *restrict dest, const char *restrict src, size_t n);
size_t wcstombs(char *restrict dest @out, const wchar_t *restrict src, size_t n);
int getloadavg(double loadavg[nelem] @out, int nelem);
int getsubopt(char **restrict optionp, char *const *restrict tokens, char **restrict valuep @out);
int rpmatch(const char *response);
int @fd posix_openpt(int flags @flags(open_flags)) @fails(negative);
int @fd getpt(void) @fails(negative);
int grantpt(int fd @fd) @fails(negative);
int unlockpt(int fd @fd) @fails(negative);
char *ptsname(int fd @fd) @fails(null);
int @errno ptsname_r(int fd @fd, char *buf @out, size_t buflen);
char *l64a(long n);
long a64l(const char *s);

// <string.h>, <strings.h>, <ctype.h>, <wchar.h>

typedef struct __locale_struct *locale_t;
typedef struct { int __count; union { unsigned int __wch; char __wchb[4]; } __value; } mbstate_t;

void *memcpy(void dest[n] @out, const void src[n], size_t n);
void *mempcpy(void dest[n] @out, const void src[n], size_t n);
void *memmove(void dest[n] @out, const void src[n], size_t n);
void *memccpy(void *restrict dest, const void *restrict src, int c, size_t n);
void *memset(void *s, int c, size_t n);
void explicit_bzero(void *s, size_t n);
void bzero(void *s, size_t n);
void bcopy(const void src[n], void dest[n] @out, size_t n);
int bcmp(const void s1[n], const void s2[n], size_t n);
int memcmp(const void s1[n], const void s2[n], size_t n);
int __memcmpeq(const void s1[n], const void s2[n], size_t n);
void *memchr(const void s[n], int c, size_t n);
void *memrchr(const void s[n], int c, size_t n);
void *rawmemchr(const void *s, int c);
void *memmem(const void haystack[haystacklen], size_t haystacklen, const void needle[needlelen], size_t needlelen);
void *memfrob(void *s, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char s[maxlen] @str, size_t maxlen);
char *strcpy(char *restrict dest @out, const char *restrict src);
char *strncpy(char *restrict dest @out, const char *restrict src, size_t n);
char *stpcpy(char *restrict dest @out, const char *restrict src);
char *stpncpy(char *restrict dest @out, const char *restrict src, size_t n);
char *strcat(char *restrict dest @out, const char *restrict src);
char *strncat(char *restrict dest @out, const char *restrict src, size_t n);
size_t strlcpy(char *restrict dest @out, const char *restrict src, size_t size);
size_t strlcat(char *restrict dest @out, const char *restrict src, size_t size);
int strcmp(const char *s1, const char *s2);
int strncmp(const char *s1, const char *s2, size_t n);
int strcasecmp(const char *s1, const char *s2);
int strncasecmp(const char *s1, const char *s2, size_t n);
int strcasecmp_l(const char *s1, const char *s2, locale_t locale);
int strncasecmp_l(const char *s1, const char *s2, size_t n, locale_t locale);
int strcoll(const char *s1, const char *s2);
int strcoll_l(const char *s1, const char *s2, locale_t locale);
int strverscmp(const char *s1, const char *s2);
size_t strxfrm(char *restrict dest @out, const char *restrict src, size_t n);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);
char *strchrnul(const char *s, int c);
char *index(const char *s, int c);
char *rindex(const char *s, int c);
char *strstr(const char *haystack, const char *needle);
char *strcasestr(const char *haystack, const char *needle);
size_t strspn(const char *s, const char *accept);
size_t strcspn(const char *s, const char *reject);
char *strpbrk(const char *s, const char *accept);
char *strtok(char *restrict str, const char *restrict delim);
char *strtok_r(char *restrict str, const char *restrict delim, char **restrict saveptr);
char *strsep(char **restrict stringp, const char *restrict delim);
char *strdup(const char *s) @fails(null);
char *strndup(const char *s, size_t n) @fails(null);
char *strerror(int errnum @errno);
char *strerror_r(int errnum @errno, char *buf @out, size_t buflen);
char *strerror_l(int errnum @errno, locale_t locale);
int @errno __xpg_strerror_r(int errnum @errno, char *buf @out, size_t buflen);
const char *strerrorname_np(int errnum @errno);
const char *strerrordesc_np(int errnum @errno);
char *strsignal(int sig @signal);
const char *sigabbrev_np(int sig @signal);
char *strfry(char *string);
int ffs(int i);
int ffsl(long i);
int ffsll(long long i);
int toupper(int c);
int tolower(int c);
int isalnum(int c);
int isalpha(int c);
int isblank(int c);
int iscntrl(int c);
int isdigit(int c);
int isgraph(int c);
int islower(int c);
int isprint(int c);
int ispunct(int c);
int isspace(int c);
int isupper(int c);
int isxdigit(int c);
size_t wcslen(const wchar_t *s);
size_t wcsnlen(const wchar_t *s, size_t maxlen);
wchar_t *wcscpy(wchar_t *restrict dest, const wchar_t *restrict src);
wchar_t *wcsncpy(wchar_t *restrict dest, const wchar_t *restrict src, size_t n);
wchar_t *wcscat(wchar_t *restrict dest, const wchar_t *restrict src);
int wcscmp(const wchar_t *s1, const wchar_t *s2);
int wcsncmp(const wchar_t *s1, const wchar_t *s2, size_t n);
wchar_t *wcschr(const wchar_t *s, wchar_t c);
wchar_t *wcsrchr(const wchar_t *s, wchar_t c);
wchar_t *wcsstr(const wchar_t *haystack, const wchar_t *needle);
wchar_t *wcsdup(const wchar_t *s);
long wcstol(const wchar_t *restrict nptr, wchar_t **restrict endptr @out, int base);
unsigned long wcstoul(const wchar_t *restrict nptr, wchar_t **restrict endptr @out, int base);
double wcstod(const wchar_t *restrict nptr, wchar_t **restrict endptr @out);
wchar_t *wmemcpy(wchar_t *restrict dest, const wchar_t *restrict src, size_t n);
wchar_t *wmemmove(wchar_t *dest, const wchar_t *src, size_t n);
wchar_t *wmemset(wchar_t *s, wchar_t c, size_t n);
int wmemcmp(const wchar_t *s1, const wchar_t *s2, size_t n);
wchar_t *wmemchr(const wchar_t *s, wchar_t c, size_t n);
size_t mbrtowc(wchar_t *restrict pwc @out, const char *restrict s, size_t n, mbstate_t *restrict ps);
size_t wcrtomb(char *restrict s @out, wchar_t wc, mbstate_t *restrict ps);
size_t mbsrtowcs(wchar_t *restrict dest, const char **restrict src, size_t n, mbstate_t *restrict ps);
size_t wcsrtombs(char *restrict dest @out, const wchar_t **restrict src, size_t n, mbstate_t *restrict ps);
size_t mbrlen(const char *restrict s, size_t n, mbstate_t *restrict ps);
int mbsinit(const mbstate_t *ps);
wint_t btowc(int c);
int wctob(wint_t c);
int wcwidth(wchar_t c);
int wcswidth(const wchar_t *s, size_t n);

// <locale.h>, <langinfo.h>, <iconv.h>, <libintl.h>, <regex.h>, <getopt.h>, <search.h>, <wordexp.h>

enum locale_category { LC_CTYPE, LC_NUMERIC, LC_TIME, LC_COLLATE, LC_MONETARY, LC_MESSAGES, LC_ALL, LC_PAPER, LC_NAME, LC_ADDRESS, LC_TELEPHONE, LC_MEASUREMENT, LC_IDENTIFICATION };
struct lconv;
typedef void *iconv_t;
typedef int nl_item;
typedef void *nl_catd;
typedef int regoff_t;
typedef struct re_pattern_buffer regex_t;
typedef struct { regoff_t rm_so; regoff_t rm_eo; } regmatch_t;
struct option { const char *name; int has_arg; int *flag; int val; };
typedef struct entry { char *key; void *data; } ENTRY;
typedef enum { FIND, ENTER } ACTION;
typedef enum { preorder, postorder, endorder, leaf } VISIT;
typedef struct { size_t we_wordc; char **we_wordv; size_t we_offs; } wordexp_t;

char *setlocale(int category @enum(locale_category), const char *locale);
struct lconv *localeconv(void);
locale_t newlocale(int category_mask @hex, const char *locale, locale_t base) @fails(null);
locale_t duplocale(locale_t locobj) @fails(null);
void freelocale(locale_t locobj);
locale_t uselocale(locale_t newloc) @fails(null);
char *nl_langinfo(nl_item item);
char *nl_langinfo_l(nl_item item, locale_t locale);
iconv_t iconv_open(const char *tocode, const char *fromcode) @fails(negative);
size_t iconv(iconv_t cd, char **restrict inbuf, size_t *restrict inbytesleft, char **restrict outbuf, size_t *restrict outbytesleft) @fails(negative);
int iconv_close(iconv_t cd) @fails(negative);
char *gettext(const char *msgid);
char *dgettext(const char *domainname, const char *msgid);
char *dcgettext(const char *domainname, const char *msgid, int category @enum(locale_category));
char *ngettext(const char *msgid, const char *msgid_plural, unsigned long n);
char *dngettext(const char *domainname, const char *msgid, const char *msgid_plural, unsigned long n);
char *dcngettext(const char *domainname, const char *msgid, const char *msgid_plural, unsigned long n, int category @enum(locale_category));
char *textdomain(const char *domainname);
char *bindtextdomain(const char *domainname, const char *dirname);
char *bind_textdomain_codeset(const char *domainname, const char *codeset);
nl_catd catopen(const char *name, int flag) @fails(negative);
char *catgets(nl_catd catalog, int set_number, int message_number, const char *message);
int catclose(nl_catd catalog) @fails(negative);
int regcomp(regex_t *restrict preg, const char *restrict regex, int cflags @hex);
int regexec(const regex_t *restrict preg, const char *restrict string, size_t nmatch, regmatch_t pmatch[nmatch] @out, int eflags @hex);
size_t regerror(int errcode, const regex_t *restrict preg, char *restrict errbuf @out, size_t errbuf_size);
void regfree(regex_t *preg);
int getopt(int argc, char *const argv[argc], const char *optstring);
int getopt_long(int argc, char *const argv[argc], const char *optstring, const struct option *longopts, int *longindex @out);
int getopt_long_only(int argc, char *const argv[argc], const char *optstring, const struct option *longopts, int *longindex @out);
int hcreate(size_t nel) @fails(null);
ENTRY *hsearch(ENTRY item, ACTION action);
void hdestroy(void);
void *tsearch(const void *key, void **rootp, int (*compar)(const void *, const void *));
void *tfind(const void *key, void *const *rootp, int (*compar)(const void *, const void *));
void *tdelete(const void *restrict key, void **restrict rootp, int (*compar)(const void *, const void *));
void twalk(const void *root, void (*action)(const void *, VISIT, int));
void tdestroy(void *root, void (*free_node)(void *));
void *lfind(const void *key, const void *base, size_t *nmemb, size_t size, int (*compar)(const void *, const void *));
void *lsearch(const void *key, void *base, size_t *nmemb, size_t size, int (*compar)(const void *, const void *));
void insque(void *elem, void *prev);
void remque(void *elem);
int wordexp(const char *restrict s, wordexp_t *restrict p @out, int flags @hex);
void wordfree(wordexp_t *p);

// <sys/socket.h>, <netdb.h>, <arpa/inet.h>, <net/if.h>, <ifaddrs.h>

enum msg_flags {
	MSG_OOB = 0x1, MSG_PEEK = 0x2, MSG_DONTROUTE = 0x4, MSG_CTRUNC = 0x8, MSG_PROXY = 0x10, MSG_TRUNC = 0x20, MSG_DONTWAIT = 0x40, MSG_EOR = 0x80,
	MSG_WAITALL = 0x100, MSG_FIN = 0x200, MSG_SYN = 0x400, MSG_CONFIRM = 0x800, MSG_RST = 0x1000, MSG_ERRQUEUE = 0x2000, MSG_NOSIGNAL = 0x4000,
	MSG_MORE = 0x8000, MSG_WAITFORONE = 0x10000, MSG_BATCH = 0x40000, MSG_ZEROCOPY = 0x4000000, MSG_FASTOPEN = 0x20000000, MSG_CMSG_CLOEXEC = 0x40000000
} @flags;
enum shutdown_how { SHUT_RD, SHUT_WR, SHUT_RDWR };
enum socket_level { IPPROTO_IP = 0, SOL_SOCKET = 1, IPPROTO_TCP = 6, IPPROTO_UDP = 17, IPPROTO_IPV6 = 41, SOL_PACKET = 263, SOL_NETLINK = 270 };
enum socket_option {
	SO_DEBUG = 1, SO_REUSEADDR, SO_TYPE, SO_ERROR, SO_DONTROUTE, SO_BROADCAST, SO_SNDBUF, SO_RCVBUF, SO_KEEPALIVE, SO_OOBINLINE, SO_NO_CHECK, SO_PRIORITY,
	SO_LINGER, SO_BSDCOMPAT, SO_REUSEPORT, SO_PASSCRED, SO_PEERCRED, SO_RCVLOWAT, SO_SNDLOWAT, SO_RCVTIMEO, SO_SNDTIMEO, SO_BINDTODEVICE = 25,
	SO_ATTACH_FILTER = 26, SO_TIMESTAMP = 29, SO_ACCEPTCONN = 30, SO_PEERSEC = 31, SO_PASSSEC = 34, SO_MARK = 36, SO_PROTOCOL = 38, SO_DOMAIN = 39,
	SO_BUSY_POLL = 46, SO_INCOMING_CPU = 49
};
enum addrinfo_error {
	EAI_BADFLAGS = -1, EAI_NONAME = -2, EAI_AGAIN = -3, EAI_FAIL = -4, EAI_NODATA = -5, EAI_FAMILY = -6, EAI_SOCKTYPE = -7, EAI_SERVICE = -8,
	EAI_ADDRFAMILY = -9, EAI_MEMORY = -10, EAI_SYSTEM = -11, EAI_OVERFLOW = -12
};
enum nameinfo_flags { NI_NUMERICHOST = 1, NI_NUMERICSERV = 2, NI_NOFQDN = 4, NI_NAMEREQD = 8, NI_DGRAM = 16 } @flags;
struct msghdr { void *msg_name; socklen_t msg_namelen; struct iovec *msg_iov; size_t msg_iovlen; void *msg_control; size_t msg_controllen; int msg_flags @flags(msg_flags); };
struct mmsghdr { struct msghdr msg_hdr; unsigned int msg_len; };
struct hostent { char *h_name; char **h_aliases; int h_addrtype @enum(address_family); int h_length; char **h_addr_list; };
struct servent { char *s_name; char **s_aliases; int s_port; char *s_proto; };
struct protoent { char *p_name; char **p_aliases; int p_proto; };
struct netent { char *n_name; char **n_aliases; int n_addrtype; uint32_t n_net; };
struct ifaddrs { struct ifaddrs *ifa_next; char *ifa_name; unsigned int ifa_flags @hex; struct sockaddr *ifa_addr; struct sockaddr *ifa_netmask; struct sockaddr *ifa_ifu; void *ifa_data; };
struct if_nameindex { unsigned int if_index; char *if_name; };
struct gaicb;

int @fd socket(int domain @enum(address_family), int type @flags(socket_type), int protocol @enum(ip_protocol)) @fails(negative);
int socketpair(int domain @enum(address_family), int type @flags(socket_type), int protocol, int sv[2] @fd @out) @fails(negative);
int bind(int fd @fd, const struct sockaddr *addr @len(addrlen), socklen_t addrlen) @fails(negative);
int listen(int fd @fd, int backlog) @fails(negative);
int @fd accept(int fd @fd, struct sockaddr *restrict addr @out @len(*addrlen), socklen_t *restrict addrlen) @fails(negative);
int @fd accept4(int fd @fd, struct sockaddr *restrict addr @out @len(*addrlen), socklen_t *restrict addrlen, int flags @flags(socket_type)) @fails(negative);
int connect(int fd @fd, const struct sockaddr *addr @len(addrlen), socklen_t addrlen) @fails(negative);
int shutdown(int fd @fd, int how @enum(shutdown_how)) @fails(negative);
int getsockname(int fd @fd, struct sockaddr *restrict addr @out @len(*addrlen), socklen_t *restrict addrlen) @fails(negative);
int getpeername(int fd @fd, struct sockaddr *restrict addr @out @len(*addrlen), socklen_t *restrict addrlen) @fails(negative);
ssize_t send(int fd @fd, const void buf[len], size_t len, int flags @flags(msg_flags)) @fails(negative);
ssize_t sendto(int fd @fd, const void buf[len], size_t len, int flags @flags(msg_flags), const struct sockaddr *addr @len(addrlen), socklen_t addrlen) @fails(negative);
ssize_t sendmsg(int fd @fd, const struct msghdr *msg, int flags @flags(msg_flags)) @fails(negative);
int sendmmsg(int fd @fd, struct mmsghdr msgvec[vlen], unsigned int vlen, int flags @flags(msg_flags)) @fails(negative);
ssize_t recv(int fd @fd, void buf[return] @out, size_t len, int flags @flags(msg_flags)) @fails(negative);
ssize_t recvfrom(int fd @fd, void buf[return] @out, size_t len, int flags @flags(msg_flags), struct sockaddr *restrict addr @out @len(*addrlen), socklen_t *restrict addrlen) @fails(negative);
ssize_t recvmsg(int fd @fd, struct msghdr *msg, int flags @flags(msg_flags)) @fails(negative);
int recvmmsg(int fd @fd, struct mmsghdr msgvec[vlen], unsigned int vlen, int flags @flags(msg_flags), struct timespec *timeout) @fails(negative);
ssize_t __recv_chk(int fd @fd, void buf[return] @out, size_t len, size_t buflen, int flags @flags(msg_flags)) @fails(negative);
ssize_t __recvfrom_chk(int fd @fd, void buf[return] @out, size_t len, size_t buflen, int flags @flags(msg_flags), struct sockaddr *restrict addr @out, socklen_t *restrict addrlen) @fails(negative);
int getsockopt(int fd @fd, int level @enum(socket_level), int optname, void optval[*optlen] @out, socklen_t *restrict optlen) @fails(negative);
int setsockopt(int fd @fd, int level @enum(socket_level), int optname, const void optval[optlen], socklen_t optlen) @fails(negative);
int sockatmark(int fd @fd) @fails(negative);
int isfdtype(int fd @fd, int fdtype @mode) @fails(negative);
int @enum(addrinfo_error) getaddrinfo(const char *restrict node, const char *restrict service, const struct addrinfo *restrict hints, struct addrinfo **restrict res @out);
void freeaddrinfo(struct addrinfo *res);
int @enum(addrinfo_error) getnameinfo(const struct sockaddr *restrict addr @len(addrlen), socklen_t addrlen, char *restrict host @out, socklen_t hostlen, char *restrict serv @out, socklen_t servlen, int flags @flags(nameinfo_flags));
const char *gai_strerror(int errcode @enum(addrinfo_error));
struct hostent *gethostbyname(const char *name);
struct hostent *gethostbyname2(const char *name, int af @enum(address_family));
struct hostent *gethostbyaddr(const void addr[len], socklen_t len, int type @enum(address_family));
int @errno gethostbyname_r(const char *restrict name, struct hostent *restrict ret @out, char *restrict buf @buf, size_t buflen, struct hostent **restrict result, int *restrict h_errnop @out);
int @errno gethostbyname2_r(const char *restrict name, int af @enum(address_family), struct hostent *restrict ret @out, char *restrict buf @buf, size_t buflen, struct hostent **restrict result, int *restrict h_errnop @out);
int @errno gethostbyaddr_r(const void addr[len], socklen_t len, int type @enum(address_family), struct hostent *restrict ret @out, char *restrict buf @buf, size_t buflen, struct hostent **restrict result, int *restrict h_errnop @out);
void sethostent(int stayopen);
struct hostent *gethostent(void);
void endhostent(void);
struct servent *getservbyname(const char *name, const char *proto);
struct servent *getservbyport(int port, const char *proto);
struct protoent *getprotobyname(const char *name);
struct protoent *getprotobynumber(int proto);
struct netent *getnetbyname(const char *name);
const char *hstrerror(int err);
void herror(const char *s);
in_addr_t inet_addr(const char *cp);
int inet_aton(const char *cp, struct in_addr *inp @out);
char *inet_ntoa(struct in_addr in);
int inet_pton(int af @enum(address_family), const char *restrict src, void *restrict dst);
const char *inet_ntop(int af @enum(address_family), const void *restrict src, char *restrict dst @out, socklen_t size) @fails(null);
in_addr_t inet_network(const char *cp);
uint32_t htonl(uint32_t hostlong);
uint16_t htons(uint16_t hostshort);
uint32_t ntohl(uint32_t netlong);
uint16_t ntohs(uint16_t netshort);
unsigned int if_nametoindex(const char *ifname);
char *if_indextoname(unsigned int ifindex, char *ifname @out) @fails(null);
struct if_nameindex *if_nameindex(void) @fails(null);
void if_freenameindex(struct if_nameindex *ptr);
int getifaddrs(struct ifaddrs **ifap @out) @fails(negative);
void freeifaddrs(struct ifaddrs *ifa);
int gethostname(char *name @out, size_t len) @fails(negative);
int sethostname(const char name[len], size_t len) @fails(negative);
int getdomainname(char *name @out, size_t len) @fails(negative);
long gethostid(void);
int res_init(void);
int res_query(const char *dname, int class, int type, unsigned char answer[return] @out, int anslen) @alias(__res_query);
int res_search(const char *dname, int class, int type, unsigned char answer[return] @out, int anslen) @alias(__res_search);
int getaddrinfo_a(int mode, struct gaicb *list[nitems], int nitems, void *sevp);

// <poll.h>, <sys/select.h>, <sys/epoll.h>, <sys/eventfd.h>, <sys/timerfd.h>, <sys/signalfd.h>

enum poll_events {
	POLLIN = 0x1, POLLPRI = 0x2, POLLOUT = 0x4, POLLERR = 0x8, POLLHUP = 0x10, POLLNVAL = 0x20, POLLRDNORM = 0x40, POLLRDBAND = 0x80,
	POLLWRNORM = 0x100, POLLWRBAND = 0x200, POLLMSG = 0x400, POLLRDHUP = 0x2000
} @flags;
enum epoll_events {
	EPOLLIN = 0x1, EPOLLPRI = 0x2, EPOLLOUT = 0x4, EPOLLERR = 0x8, EPOLLHUP = 0x10, EPOLLRDNORM = 0x40, EPOLLRDBAND = 0x80, EPOLLWRNORM = 0x100,
	EPOLLWRBAND = 0x200, EPOLLMSG = 0x400, EPOLLRDHUP = 0x2000, EPOLLEXCLUSIVE = 0x10000000, EPOLLWAKEUP = 0x20000000, EPOLLONESHOT = 0x40000000,
	EPOLLET = 0x80000000
} @flags;
enum epoll_operation { EPOLL_CTL_ADD = 1, EPOLL_CTL_DEL = 2, EPOLL_CTL_MOD = 3 };
enum eventfd_flags { EFD_SEMAPHORE = 1, EFD_NONBLOCK = 04000, EFD_CLOEXEC = 02000000 } @flags;
typedef unsigned long nfds_t;
typedef struct { long fds_bits[16] @hex; } fd_set;
typedef uint64_t eventfd_t;
struct pollfd { int fd @fd; short events @flags(poll_events); short revents @flags(poll_events); };
typedef union epoll_data { void *ptr; int fd; uint32_t u32; uint64_t u64 @hex; } epoll_data_t;
struct epoll_event { uint32_t events @flags(epoll_events); epoll_data_t data; } __attribute__((packed));
struct itimerspec { struct timespec it_interval; struct timespec it_value; };
struct itimerval { struct timeval it_interval; struct timeval it_value; };

int poll(struct pollfd fds[nfds] @out, nfds_t nfds, int timeout) @fails(negative);
int ppoll(struct pollfd fds[nfds] @out, nfds_t nfds, const struct timespec *timeout, const sigset_t *sigmask) @fails(negative);
int select(int nfds, fd_set *restrict readfds, fd_set *restrict writefds, fd_set *restrict exceptfds, struct timeval *restrict timeout) @fails(negative);
int pselect(int nfds, fd_set *restrict readfds, fd_set *restrict writefds, fd_set *restrict exceptfds, const struct timespec *restrict timeout, const sigset_t *restrict sigmask) @fails(negative);
int @fd epoll_create(int size) @fails(negative);
int @fd epoll_create1(int flags @flags(open_flags)) @fails(negative);
int epoll_ctl(int epfd @fd, int op @enum(epoll_operation), int fd @fd, struct epoll_event *event) @fails(negative);
int epoll_wait(int epfd @fd, struct epoll_event events[return] @out, int maxevents, int timeout) @fails(negative);
int epoll_pwait(int epfd @fd, struct epoll_event events[return] @out, int maxevents, int timeout, const sigset_t *sigmask) @fails(negative);
int epoll_pwait2(int epfd @fd, struct epoll_event events[return] @out, int maxevents, const struct timespec *timeout, const sigset_t *sigmask) @fails(negative);
int @fd eventfd(unsigned int initval, int flags @flags(eventfd_flags)) @fails(negative);
int eventfd_read(int fd @fd, eventfd_t *value @out) @fails(negative);
int eventfd_write(int fd @fd, eventfd_t value) @fails(negative);
int @fd signalfd(int fd @fd, const sigset_t *mask, int flags @flags(open_flags)) @fails(negative);

// <time.h>, <sys/time.h>

enum timer_flags { TIMER_ABSTIME = 1 } @flags;
enum itimer_which { ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF };
struct sigevent;
struct tms { clock_t tms_utime; clock_t tms_stime; clock_t tms_cutime; clock_t tms_cstime; };
struct timex;

time_t time(time_t *tloc @out);
double difftime(time_t time1, time_t time0);
time_t mktime(struct tm *tm) @fails(negative);
time_t timegm(struct tm *tm) @fails(negative);
time_t timelocal(struct tm *tm) @fails(negative);
struct tm *gmtime(const time_t *timep);
struct tm *gmtime_r(const time_t *restrict timep, struct tm *restrict result @out);
struct tm *localtime(const time_t *timep);
struct tm *localtime_r(const time_t *restrict timep, struct tm *restrict result @out);
char *asctime(const struct tm *tm);
char *asctime_r(const struct tm *restrict tm, char *restrict buf @out);
char *ctime(const time_t *timep);
char *ctime_r(const time_t *restrict timep, char *restrict buf @out);
size_t strftime(char *restrict s @out, size_t max, const char *restrict format, const struct tm *restrict tm);
size_t strftime_l(char *restrict s @out, size_t max, const char *restrict format, const struct tm *restrict tm, locale_t locale);
char *strptime(const char *restrict s, const char *restrict format, struct tm *restrict tm @out);
struct tm *getdate(const char *string);
void tzset(void);
clock_t clock(void) @fails(negative);
clock_t times(struct tms *buf @out) @fails(negative);
int clock_getres(clockid_t clockid @enum(clock_id), struct timespec *res @out) @fails(negative);
int clock_gettime(clockid_t clockid @enum(clock_id), struct timespec *tp @out) @fails(negative);
int clock_settime(clockid_t clockid @enum(clock_id), const struct timespec *tp) @fails(negative);
int @errno clock_nanosleep(clockid_t clockid @enum(clock_id), int flags @flags(timer_flags), const struct timespec *request, struct timespec *remain @out);
int @errno clock_getcpuclockid(pid_t pid, clockid_t *clockid @out);
int clock_adjtime(clockid_t clockid @enum(clock_id), struct timex *buf) @fails(negative);
int adjtimex(struct timex *buf) @fails(negative);
int adjtime(const struct timeval *delta, struct timeval *olddelta @out) @fails(negative);
int gettimeofday(struct timeval *restrict tv @out, void *restrict tz) @fails(negative);
int settimeofday(const struct timeval *tv, const struct timezone *tz) @fails(negative);
int nanosleep(const struct timespec *request, struct timespec *remain @out) @fails(negative);
int usleep(useconds_t usec) @fails(negative);
unsigned int sleep(unsigned int seconds);
unsigned int alarm(unsigned int seconds);
useconds_t ualarm(useconds_t value, useconds_t interval);
int getitimer(int which @enum(itimer_which), struct itimerval *value @out) @fails(negative);
int setitimer(int which @enum(itimer_which), const struct itimerval *restrict new_value, struct itimerval *restrict old_value @out) @fails(negative);
int timer_create(clockid_t clockid @enum(clock_id), struct sigevent *restrict sevp, timer_t *restrict timerid @out) @fails(negative);
int timer_delete(timer_t timerid) @fails(negative);
int timer_settime(timer_t timerid, int flags @flags(timer_flags), const struct itimerspec *restrict new_value, struct itimerspec *restrict old_value @out) @fails(negative);
int timer_gettime(timer_t timerid, struct itimerspec *curr_value @out) @fails(negative);
int timer_getoverrun(timer_t timerid) @fails(negative);
int @fd timerfd_create(clockid_t clockid @enum(clock_id), int flags @flags(open_flags)) @fails(negative);
int timerfd_settime(int fd @fd, int flags @flags(timer_flags), const struct itimerspec *new_value, struct itimerspec *old_value @out) @fails(negative);
int timerfd_gettime(int fd @fd, struct itimerspec *curr_value @out) @fails(negative);
int timespec_get(struct timespec *ts @out, int base);

// <sys/mman.h>

enum mmap_prot { PROT_NONE = 0, PROT_READ = 1, PROT_WRITE = 2, PROT_EXEC = 4, PROT_GROWSDOWN = 0x1000000, PROT_GROWSUP = 0x2000000 } @flags;
enum mmap_flags {
	MAP_SHARED = 1 @of(15), MAP_PRIVATE = 2 @of(15), MAP_SHARED_VALIDATE = 3 @of(15), MAP_FIXED = 0x10, MAP_ANONYMOUS = 0x20, MAP_32BIT = 0x40,
	MAP_GROWSDOWN = 0x100, MAP_DENYWRITE = 0x800, MAP_EXECUTABLE = 0x1000, MAP_LOCKED = 0x2000, MAP_NORESERVE = 0x4000, MAP_POPULATE = 0x8000,
	MAP_NONBLOCK = 0x10000, MAP_STACK = 0x20000, MAP_HUGETLB = 0x40000, MAP_SYNC = 0x80000, MAP_FIXED_NOREPLACE = 0x100000
} @flags;
enum madvise_advice {
	MADV_NORMAL = 0, MADV_RANDOM = 1, MADV_SEQUENTIAL = 2, MADV_WILLNEED = 3, MADV_DONTNEED = 4, MADV_FREE = 8, MADV_REMOVE = 9, MADV_DONTFORK = 10,
	MADV_DOFORK = 11, MADV_MERGEABLE = 12, MADV_UNMERGEABLE = 13, MADV_HUGEPAGE = 14, MADV_NOHUGEPAGE = 15, MADV_DONTDUMP = 16, MADV_DODUMP = 17,
	MADV_WIPEONFORK = 18, MADV_KEEPONFORK = 19, MADV_COLD = 20, MADV_PAGEOUT = 21, MADV_POPULATE_READ = 22, MADV_POPULATE_WRITE = 23,
	MADV_DONTNEED_LOCKED = 24, MADV_HWPOISON = 100
};
enum mremap_flags { MREMAP_MAYMOVE = 1, MREMAP_FIXED = 2, MREMAP_DONTUNMAP = 4 } @flags;
enum msync_flags { MS_ASYNC = 1, MS_INVALIDATE = 2, MS_SYNC = 4 } @flags;
enum mlockall_flags { MCL_CURRENT = 1, MCL_FUTURE = 2, MCL_ONFAULT = 4 } @flags;

void *mmap(void *addr, size_t length, int prot @flags(mmap_prot), int flags @flags(mmap_flags), int fd @fd, off_t offset) @fails(negative);
int munmap(void *addr, size_t length) @fails(negative);
int mprotect(void *addr, size_t len, int prot @flags(mmap_prot)) @fails(negative);
void *mremap(void *old_address, size_t old_size, size_t new_size, int flags @flags(mremap_flags), ...) @fails(negative);
int msync(void *addr, size_t length, int flags @flags(msync_flags)) @fails(negative);
int madvise(void *addr, size_t length, int advice @enum(madvise_advice)) @fails(negative);
int @errno posix_madvise(void *addr, size_t len, int advice @enum(madvise_advice));
int mlock(const void *addr, size_t len) @fails(negative);
int mlock2(const void *addr, size_t len, unsigned int flags @hex) @fails(negative);
int munlock(const void *addr, size_t len) @fails(negative);
int mlockall(int flags @flags(mlockall_flags)) @fails(negative);
int munlockall(void) @fails(negative);
int mincore(void *addr, size_t length, unsigned char *vec) @fails(negative);
int @fd shm_open(const char *name, int oflag @flags(open_flags), mode_t mode) @fails(negative);
int shm_unlink(const char *name) @fails(negative);
int pkey_alloc(unsigned int flags @hex, unsigned int access_rights @hex) @fails(negative);
int pkey_free(int pkey) @fails(negative);
int pkey_mprotect(void *addr, size_t len, int prot @flags(mmap_prot), int pkey) @fails(negative);

// <sys/ipc.h>, <sys/shm.h>, <sys/sem.h>, <sys/msg.h>, <mqueue.h>

struct shmid_ds;
struct sembuf { unsigned short sem_num; short sem_op; short sem_flg; };
struct msqid_ds;
typedef int mqd_t;
struct mq_attr { long mq_flags; long mq_maxmsg; long mq_msgsize; long mq_curmsgs; long __pad[4]; };

key_t ftok(const char *path, int proj_id) @fails(negative);
int shmget(key_t key, size_t size, int shmflg @hex) @fails(negative);
void *shmat(int shmid, const void *shmaddr, int shmflg @hex) @fails(negative);
int shmdt(const void *shmaddr) @fails(negative);
int shmctl(int shmid, int cmd, struct shmid_ds *buf) @fails(negative);
int semget(key_t key, int nsems, int semflg @hex) @fails(negative);
int semop(int semid, struct sembuf sops[nsops], size_t nsops) @fails(negative);
int semtimedop(int semid, struct sembuf sops[nsops], size_t nsops, const struct timespec *timeout) @fails(negative);
int semctl(int semid, int semnum, int cmd, ...) @fails(negative);
int msgget(key_t key, int msgflg @hex) @fails(negative);
int msgsnd(int msqid, const void *msgp, size_t msgsz, int msgflg @hex) @fails(negative);
ssize_t msgrcv(int msqid, void *msgp, size_t msgsz, long msgtyp, int msgflg @hex) @fails(negative);
int msgctl(int msqid, int cmd, struct msqid_ds *buf) @fails(negative);
mqd_t mq_open(const char *name, int oflag @flags(open_flags), ...) @fails(negative);
int mq_close(mqd_t mqdes) @fails(negative);
int mq_unlink(const char *name) @fails(negative);
int mq_send(mqd_t mqdes, const char msg_ptr[msg_len], size_t msg_len, unsigned int msg_prio) @fails(negative);
ssize_t mq_receive(mqd_t mqdes, char msg_ptr[return] @out, size_t msg_len, unsigned int *msg_prio @out) @fails(negative);
int mq_getattr(mqd_t mqdes, struct mq_attr *attr @out) @fails(negative);

// <unistd.h>, <sys/wait.h>, <sched.h>, <spawn.h>: processes

enum wait_options { WNOHANG = 1, WUNTRACED = 2, WEXITED = 4, WCONTINUED = 8, WNOWAIT = 0x1000000, __WNOTHREAD = 0x20000000, __WALL = 0x40000000, __WCLONE = 0x80000000 } @flags;
enum idtype { P_ALL, P_PID, P_PGID, P_PIDFD };
enum clone_flags {
	CLONE_NEWTIME = 0x80, CLONE_VM = 0x100, CLONE_FS = 0x200, CLONE_FILES = 0x400, CLONE_SIGHAND = 0x800, CLONE_PIDFD = 0x1000, CLONE_PTRACE = 0x2000,
	CLONE_VFORK = 0x4000, CLONE_PARENT = 0x8000, CLONE_THREAD = 0x10000, CLONE_NEWNS = 0x20000, CLONE_SYSVSEM = 0x40000, CLONE_SETTLS = 0x80000,
	CLONE_PARENT_SETTID = 0x100000, CLONE_CHILD_CLEARTID = 0x200000, CLONE_DETACHED = 0x400000, CLONE_UNTRACED = 0x800000, CLONE_CHILD_SETTID = 0x1000000,
	CLONE_NEWCGROUP = 0x2000000, CLONE_NEWUTS = 0x4000000, CLONE_NEWIPC = 0x8000000, CLONE_NEWUSER = 0x10000000, CLONE_NEWPID = 0x20000000,
	CLONE_NEWNET = 0x40000000, CLONE_IO = 0x80000000
} @flags;
enum rlimit_resource {
	RLIMIT_CPU, RLIMIT_FSIZE, RLIMIT_DATA, RLIMIT_STACK, RLIMIT_CORE, RLIMIT_RSS, RLIMIT_NPROC, RLIMIT_NOFILE, RLIMIT_MEMLOCK, RLIMIT_AS, RLIMIT_LOCKS,
	RLIMIT_SIGPENDING, RLIMIT_MSGQUEUE, RLIMIT_NICE, RLIMIT_RTPRIO, RLIMIT_RTTIME
};
enum rusage_who { RUSAGE_SELF = 0, RUSAGE_CHILDREN = -1, RUSAGE_THREAD = 1 };
enum priority_which { PRIO_PROCESS, PRIO_PGRP, PRIO_USER };
typedef unsigned long rlim_t;
struct rlimit { rlim_t rlim_cur; rlim_t rlim_max; };
struct rusage {
	struct timeval ru_utime; struct timeval ru_stime; long ru_maxrss; long ru_ixrss; long ru_idrss; long ru_isrss; long ru_minflt; long ru_majflt; long ru_nswap;
	long ru_inblock; long ru_oublock; long ru_msgsnd; long ru_msgrcv; long ru_nsignals; long ru_nvcsw; long ru_nivcsw;
};
struct utsname { char sysname[65]; char nodename[65]; char release[65]; char version[65]; char machine[65]; char domainname[65]; };
struct sysinfo {
	long uptime; unsigned long loads[3]; unsigned long totalram; unsigned long freeram; unsigned long sharedram; unsigned long bufferram; unsigned long totalswap;
	unsigned long freeswap; unsigned short procs; unsigned short pad; unsigned long totalhigh; unsigned long freehigh; unsigned int mem_unit; char _f[0];
};
typedef struct posix_spawn_file_actions_s posix_spawn_file_actions_t;
typedef struct posix_spawnattr_s posix_spawnattr_t;
union sigval { int sival_int; void *sival_ptr; };
typedef struct {
	int si_signo @signal; int si_errno @errno; int si_code; int __pad0; int si_pid; unsigned int si_uid; int si_status; int __pad[25];
} siginfo_t;

pid_t fork(void) @fails(negative);
pid_t vfork(void) @fails(negative);
pid_t _Fork(void) @fails(negative);
int clone(int (*fn)(void *), void *stack, int flags @flags(clone_flags), void *arg, ...) @fails(negative);
int unshare(int flags @flags(clone_flags)) @fails(negative);
int setns(int fd @fd, int nstype @flags(clone_flags)) @fails(negative);
int execve(const char *path, char *const argv[], char *const envp[]) @fails(negative);
int execv(const char *path, char *const argv[]) @fails(negative);
int execvp(const char *file, char *const argv[]) @fails(negative);
int execvpe(const char *file, char *const argv[], char *const envp[]) @fails(negative);
int execl(const char *path, const char *arg, ...) @fails(negative);
int execlp(const char *file, const char *arg, ...) @fails(negative);
int execle(const char *path, const char *arg, ...) @fails(negative);
int fexecve(int fd @fd, char *const argv[], char *const envp[]) @fails(negative);
int execveat(int dirfd @fd, const char *path, char *const argv[], char *const envp[], int flags @flags(at_flags)) @fails(negative);
int @errno posix_spawn(pid_t *restrict pid @out, const char *restrict path, const posix_spawn_file_actions_t *restrict file_actions, const posix_spawnattr_t *restrict attrp, char *const argv[], char *const envp[]);
int @errno posix_spawnp(pid_t *restrict pid @out, const char *restrict file, const posix_spawn_file_actions_t *restrict file_actions, const posix_spawnattr_t *restrict attrp, char *const argv[], char *const envp[]);
int @errno posix_spawn_file_actions_init(posix_spawn_file_actions_t *file_actions);
int @errno posix_spawn_file_actions_destroy(posix_spawn_file_actions_t *file_actions);
int @errno posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *file_actions, int fd @fd, int newfd @fd);
int @errno posix_spawn_file_actions_addclose(posix_spawn_file_actions_t *file_actions, int fd @fd);
int @errno posix_spawnattr_init(posix_spawnattr_t *attr);
int @errno posix_spawnattr_setflags(posix_spawnattr_t *attr, short flags @hex);
pid_t wait(int *wstatus @out @hex) @fails(negative);
pid_t waitpid(pid_t pid, int *wstatus @out @hex, int options @flags(wait_options)) @fails(negative);
int waitid(int idtype @enum(idtype), id_t id, siginfo_t *infop @out, int options @flags(wait_options)) @fails(negative);
pid_t wait3(int *wstatus @out @hex, int options @flags(wait_options), struct rusage *rusage @out) @fails(negative);
pid_t wait4(pid_t pid, int *wstatus @out @hex, int options @flags(wait_options), struct rusage *rusage @out) @fails(negative);
pid_t getpid(void);
pid_t getppid(void);
pid_t gettid(void);
pid_t getpgid(pid_t pid) @fails(negative);
pid_t getpgrp(void);
int setpgid(pid_t pid, pid_t pgid) @fails(negative);
int setpgrp(void) @fails(negative);
pid_t getsid(pid_t pid) @fails(negative);
pid_t setsid(void) @fails(negative);
pid_t tcgetpgrp(int fd @fd) @fails(negative);
int tcsetpgrp(int fd @fd, pid_t pgrp) @fails(negative);
uid_t getuid(void);
uid_t geteuid(void);
gid_t getgid(void);
gid_t getegid(void);
int setuid(uid_t uid) @fails(negative);
int seteuid(uid_t euid) @fails(negative);
int setgid(gid_t gid) @fails(negative);
int setegid(gid_t egid) @fails(negative);
int setreuid(uid_t ruid, uid_t euid) @fails(negative);
int setregid(gid_t rgid, gid_t egid) @fails(negative);
int setresuid(uid_t ruid, uid_t euid, uid_t suid) @fails(negative);
int setresgid(gid_t rgid, gid_t egid, gid_t sgid) @fails(negative);
int getresuid(uid_t *ruid @out, uid_t *euid @out, uid_t *suid @out) @fails(negative);
int getresgid(gid_t *rgid @out, gid_t *egid @out, gid_t *sgid @out) @fails(negative);
int getgroups(int size, gid_t list[return] @out) @fails(negative);
int setgroups(size_t size, const gid_t list[size]) @fails(negative);
int initgroups(const char *user, gid_t group) @fails(negative);
int getgrouplist(const char *user, gid_t group, gid_t *groups, int *ngroups) @fails(negative);
char *getlogin(void) @fails(null);
int @errno getlogin_r(char *name @out, size_t name_len);
int daemon(int nochdir, int noclose) @fails(negative);
int nice(int inc);
int getpriority(int which @enum(priority_which), id_t who);
int setpriority(int which @enum(priority_which), id_t who, int prio) @fails(negative);
int getrlimit(int resource @enum(rlimit_resource), struct rlimit *rlim @out) @fails(negative);
int setrlimit(int resource @enum(rlimit_resource), const struct rlimit *rlim) @fails(negative);
int prlimit(pid_t pid, int resource @enum(rlimit_resource), const struct rlimit *new_limit, struct rlimit *old_limit @out) @fails(negative);
int getrusage(int who @enum(rusage_who), struct rusage *usage @out) @fails(negative);
int prctl(int option, ...) @fails(negative);
long ptrace(int request, ...) @fails(negative);
long syscall(long number, ...) @fails(negative);
int uname(struct utsname *name @out) @fails(negative);
int sysinfo(struct sysinfo *info @out) @fails(negative);
int get_nprocs(void);
int get_nprocs_conf(void);
int sched_yield(void) @fails(negative);
int sched_getcpu(void) @fails(negative);
int getcpu(unsigned int *cpu @out, unsigned int *node @out) @fails(negative);
int sched_setaffinity(pid_t pid, size_t cpusetsize, const cpu_set_t *mask) @fails(negative);
int sched_getaffinity(pid_t pid, size_t cpusetsize, cpu_set_t *mask @out) @fails(negative);
int sched_setscheduler(pid_t pid, int policy @enum(sched_policy), const struct sched_param *param) @fails(negative);
int sched_getscheduler(pid_t pid) @fails(negative);
int sched_setparam(pid_t pid, const struct sched_param *param) @fails(negative);
int sched_getparam(pid_t pid, struct sched_param *param @out) @fails(negative);
int sched_get_priority_max(int policy @enum(sched_policy)) @fails(negative);
int sched_get_priority_min(int policy @enum(sched_policy)) @fails(negative);
int @fd pidfd_open(pid_t pid, unsigned int flags @hex) @fails(negative);
int pidfd_send_signal(int pidfd @fd, int sig @signal, siginfo_t *info, unsigned int flags @hex) @fails(negative);
ssize_t process_vm_readv(pid_t pid, const struct iovec local_iov[liovcnt], unsigned long liovcnt, const struct iovec remote_iov[riovcnt], unsigned long riovcnt, unsigned long flags) @fails(negative);
ssize_t process_vm_writev(pid_t pid, const struct iovec local_iov[liovcnt], unsigned long liovcnt, const struct iovec remote_iov[riovcnt], unsigned long riovcnt, unsigned long flags) @fails(negative);
int reboot(int cmd @hex) @fails(negative);
int personality(unsigned long persona @hex) @fails(negative);
unsigned long getauxval(unsigned long type);
int *__errno_location(void);

// <signal.h>, <setjmp.h>

enum sigaction_flags {
	SA_NOCLDSTOP = 1, SA_NOCLDWAIT = 2, SA_SIGINFO = 4, SA_RESTORER = 0x4000000, SA_ONSTACK = 0x8000000, SA_RESTART = 0x10000000, SA_NODEFER = 0x40000000,
	SA_RESETHAND = 0x80000000
} @flags;
typedef void (*sighandler_t)(int);
struct sigaction { void *sa_handler; sigset_t sa_mask; int sa_flags @flags(sigaction_flags); void (*sa_restorer)(void); };
typedef struct { void *ss_sp; int ss_flags @hex; size_t ss_size; } stack_t;
struct __jmp_buf_tag;

sighandler_t signal(int signum @signal, sighandler_t handler) @fails(negative) @alias(bsd_signal, ssignal);
int sigaction(int signum @signal, const struct sigaction *restrict act, struct sigaction *restrict oldact @out) @fails(negative);
int sigprocmask(int how @enum(sigprocmask_how), const sigset_t *restrict set, sigset_t *restrict oldset @out) @fails(negative);
int sigpending(sigset_t *set @out) @fails(negative);
int sigsuspend(const sigset_t *mask) @fails(negative);
int @errno sigwait(const sigset_t *restrict set, int *restrict sig @out @signal);
int sigwaitinfo(const sigset_t *restrict set, siginfo_t *restrict info @out) @fails(negative);
int sigtimedwait(const sigset_t *restrict set, siginfo_t *restrict info @out, const struct timespec *restrict timeout) @fails(negative);
int sigemptyset(sigset_t *set) @fails(negative);
int sigfillset(sigset_t *set) @fails(negative);
int sigaddset(sigset_t *set, int signum @signal) @fails(negative);
int sigdelset(sigset_t *set, int signum @signal) @fails(negative);
int sigismember(const sigset_t *set, int signum @signal) @fails(negative);
int sigaltstack(const stack_t *restrict ss, stack_t *restrict old_ss @out) @fails(negative);
int siginterrupt(int sig @signal, int flag) @fails(negative);
int sigqueue(pid_t pid, int sig @signal, const union sigval value) @fails(negative);
int kill(pid_t pid, int sig @signal) @fails(negative);
int killpg(int pgrp @pid, int sig @signal) @fails(negative);
int tgkill(pid_t tgid, pid_t tid, int sig @signal) @fails(negative);
int raise(int sig @signal) @fails(nonzero);
int pause(void) @fails(negative);
void psignal(int sig @signal, const char *s);
void longjmp(struct __jmp_buf_tag *env, int val) @alias(_longjmp, siglongjmp);
int _setjmp(struct __jmp_buf_tag *env);
int __sigsetjmp(struct __jmp_buf_tag *env, int savesigs);

// <pwd.h>, <grp.h>, <shadow.h>, <utmp.h>, <mntent.h>

struct passwd { char *pw_name; char *pw_passwd; uid_t pw_uid; gid_t pw_gid; char *pw_gecos; char *pw_dir; char *pw_shell; };
struct group { char *gr_name; char *gr_passwd; gid_t gr_gid; char **gr_mem; };
struct spwd { char *sp_namp; char *sp_pwdp; long sp_lstchg; long sp_min; long sp_max; long sp_warn; long sp_inact; long sp_expire; unsigned long sp_flag; };
struct mntent { char *mnt_fsname; char *mnt_dir; char *mnt_type; char *mnt_opts; int mnt_freq; int mnt_passno; };

struct passwd *getpwnam(const char *name) @fails(null);
struct passwd *getpwuid(uid_t uid) @fails(null);
int @errno getpwnam_r(const char *restrict name, struct passwd *restrict pwd @out, char *restrict buf @buf, size_t buflen, struct passwd **restrict result @out);
int @errno getpwuid_r(uid_t uid, struct passwd *restrict pwd @out, char *restrict buf @buf, size_t buflen, struct passwd **restrict result @out);
struct passwd *getpwent(void) @fails(null);
void setpwent(void);
void endpwent(void);
struct group *getgrnam(const char *name) @fails(null);
struct group *getgrgid(gid_t gid) @fails(null);
int @errno getgrnam_r(const char *restrict name, struct group *restrict grp @out, char *restrict buf @buf, size_t buflen, struct group **restrict result @out);
int @errno getgrgid_r(gid_t gid, struct group *restrict grp @out, char *restrict buf @buf, size_t buflen, struct group **restrict result @out);
struct group *getgrent(void) @fails(null);
void setgrent(void);
void endgrent(void);
struct spwd *getspnam(const char *name) @fails(null);
FILE *setmntent(const char *filename, const char *type) @fails(null);
struct mntent *getmntent(FILE *stream);
int endmntent(FILE *stream);
char *hasmntopt(const struct mntent *mnt, const char *opt);
char *getpass(const char *prompt);
char *crypt(const char *phrase, const char *setting) @fails(null);

// <termios.h>, <pty.h>, <syslog.h>, <err.h>, <error.h>, <assert.h>, <execinfo.h>, <ucontext.h>, <sys/uio.h>

enum syslog_priority { LOG_EMERG, LOG_ALERT, LOG_CRIT, LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG };
enum syslog_option { LOG_PID = 1, LOG_CONS = 2, LOG_ODELAY = 4, LOG_NDELAY = 8, LOG_NOWAIT = 16, LOG_PERROR = 32 } @flags;
typedef unsigned int tcflag_t;
typedef unsigned int speed_t;
struct termios { tcflag_t c_iflag @hex; tcflag_t c_oflag @hex; tcflag_t c_cflag @hex; tcflag_t c_lflag @hex; unsigned char c_line; unsigned char c_cc[32]; speed_t c_ispeed; speed_t c_ospeed; };
struct winsize { unsigned short ws_row; unsigned short ws_col; unsigned short ws_xpixel; unsigned short ws_ypixel; };
struct ucontext_t;

int tcgetattr(int fd @fd, struct termios *termios_p @out) @fails(negative);
int tcsetattr(int fd @fd, int optional_actions, const struct termios *termios_p) @fails(negative);
int tcdrain(int fd @fd) @fails(negative);
int tcflow(int fd @fd, int action) @fails(negative);
int tcflush(int fd @fd, int queue_selector) @fails(negative);
int tcsendbreak(int fd @fd, int duration) @fails(negative);
void cfmakeraw(struct termios *termios_p);
speed_t cfgetispeed(const struct termios *termios_p);
speed_t cfgetospeed(const struct termios *termios_p);
int cfsetispeed(struct termios *termios_p, speed_t speed) @fails(negative);
int cfsetospeed(struct termios *termios_p, speed_t speed) @fails(negative);
int openpty(int *amaster @out @fd, int *aslave @out @fd, char *name @out, const struct termios *termp, const struct winsize *winp) @fails(negative);
pid_t forkpty(int *amaster @out @fd, char *name @out, const struct termios *termp, const struct winsize *winp) @fails(negative);
int login_tty(int fd @fd) @fails(negative);
void openlog(const char *ident, int option @flags(syslog_option), int facility @hex);
void syslog(int priority, const char *format, ...);
void vsyslog(int priority, const char *format, va_list ap);
void __syslog_chk(int priority, int flag, const char *format, ...);
void __vsyslog_chk(int priority, int flag, const char *format, va_list ap);
void closelog(void);
int setlogmask(int mask @hex);
void err(int eval, const char *format, ...);
void errx(int eval, const char *format, ...);
void warn(const char *format, ...);
void warnx(const char *format, ...);
void verr(int eval, const char *format, va_list ap);
void verrx(int eval, const char *format, va_list ap);
void vwarn(const char *format, va_list ap);
void vwarnx(const char *format, va_list ap);
void error(int status, int errnum @errno, const char *format, ...);
void error_at_line(int status, int errnum @errno, const char *filename, unsigned int linenum, const char *format, ...);
void __assert_fail(const char *assertion, const char *file, unsigned int line, const char *function);
void __assert_perror_fail(int errnum @errno, const char *file, unsigned int line, const char *function);
void __stack_chk_fail(void);
void __chk_fail(void);
void __fortify_fail(const char *msg);
void __libc_fatal(const char *message);
int backtrace(void *buffer[return] @out, int size);
char **backtrace_symbols(void *const buffer[size], int size) @fails(null);
void backtrace_symbols_fd(void *const buffer[size], int size, int fd @fd);
int getcontext(struct ucontext_t *ucp) @fails(negative);
int setcontext(const struct ucontext_t *ucp) @fails(negative);
int swapcontext(struct ucontext_t *restrict oucp, const struct ucontext_t *restrict ucp) @fails(negative);
int __libc_start_main(int (*main)(int, char **, char **), int argc, char **argv, void (*init)(void), void (*fini)(void), void (*rtld_fini)(void), void *stack_end) @alias(__libc_start_main_impl);
int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *dso_handle);
void *__tls_get_addr(void *ti);
