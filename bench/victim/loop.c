// The program that all tools observe.
//
//   loop run FUNCTION CALLS [THREADS]  calls at once, a hundred stretches of it in turns with as many of a twin that nobody observes, and prints
//                                      "ns N": how much longer a call takes than the twin's, both as nine in ten of their stretches exceed it
//   loop armed FUNCTION CALLS THREADS [RATE]  waits until a probe changes the function's code, prints "armed", and a little later "calling", then as
//                                             run, in THREADS threads. With a rate there is no twin: each makes no more than RATE calls a
//                                             second, 0: as many as it can, and prints "mean N", the nanoseconds from call to call
//   loop tick FUNCTION                 calls every millisecond until it is killed
//
// Watching one's own code is how every tool is measured alike: a breakpoint or a jump shows there the moment it is armed.
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// Three functions that do the same, with the first instructions that decide what a probe costs, and their twins.
#define ONE(name, prologue, epilogue)                                  \
    __attribute__((naked, noinline, noipa)) int name(int n) {           \
        __asm__(prologue "lea 1(%rdi),%eax\n" epilogue "ret");          \
    }
#define FUNCTION(name, prologue, epilogue) ONE(name, prologue, epilogue) ONE(name##_twin, prologue, epilogue)
FUNCTION(f_endbr, "endbr64\npush %rbp\nmov %rsp,%rbp\n", "pop %rbp\n")
FUNCTION(f_push, "push %rbp\nmov %rsp,%rbp\n", "pop %rbp\n")
FUNCTION(f_mov, "mov %edi,%ecx\nmov %ecx,%edx\n", "nop\n")

static __thread volatile int sink;

__attribute__((noinline, noipa)) static int touch(const char *s) { return sink + s[0]; }

// work is traced with its string.
__attribute__((noinline)) int work(int number, const char *statement) {
    int total = touch(statement) + number;
    return total + touch(statement + 1);
}

// note is recorded with three numbers and a short text.
__attribute__((noinline)) int note(int a, long b, int c, const char *text) { return touch(text) + a + (int)b + c; }
__attribute__((noinline)) int note_twin(int a, long b, int c, const char *text) { return touch(text) + a + (int)b + c; }

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

typedef int simple(int);
typedef int noted(int, long, int, const char *);

static void *code;  // of the observed function
static simple *volatile plain[2];  // it, and its twin
static noted *volatile notes[2];
static long calls;
static int twins = 1;
static double pace;  // nanoseconds from call to call, 0: as fast as it can
static pthread_barrier_t together;  // threads take their stretches at the same time

// stretch makes some calls, of the twin where that is 1, and gives how long one took.
static double stretch(int twin, long from, long to, double start) {
    pthread_barrier_wait(&together);
    double begun = now();
    if (notes[0]) {
        noted *note = notes[twin];
        for (long i = from; i < to; i++) {
            sink = note((int)i, i * 3, 7, "a short text");
            if (pace > 0 && i % 16 == 15)
                while (now() - start < pace * i) {}
        }
    } else if (plain[0]) {
        simple *f = plain[twin];
        for (long i = from; i < to; i++) sink = f((int)i);
    } else {
        char statement[64];
        for (long i = from; i < to; i++) {
            snprintf(statement, sizeof statement, "statement number %06ld", i % 1000000);
            sink = work((int)i, statement);
        }
    }
    return (now() - begun) / (to - from);
}

enum { stretches = 100, tenth = stretches / 10 };

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void *run(void *result) {
    double start = now(), each[2][stretches];
    if (!twins) {
        *(double *)result = stretch(0, 0, calls, start);
        return 0;
    }
    int n = 0;
    for (int k = 0; k < stretches; k++) {
        long from = calls * k / stretches, to = calls * (k + 1) / stretches;
        if (from == to) continue;
        for (int twin = 0; twin < 2; twin++) each[twin][n] = stretch(twin, from, to, start);
        n++;
    }
    for (int twin = 0; twin < 2; twin++) qsort(each[twin], n, sizeof *each[twin], ascending);
    *(double *)result = each[0][n / tenth] - each[1][n / tenth];
    return 0;
}

static void choose(const char *name) {
    if (!strcmp(name, "f_endbr")) plain[0] = f_endbr, plain[1] = f_endbr_twin;
    else if (!strcmp(name, "f_push")) plain[0] = f_push, plain[1] = f_push_twin;
    else if (!strcmp(name, "f_mov")) plain[0] = f_mov, plain[1] = f_mov_twin;
    else if (!strcmp(name, "note")) notes[0] = note, notes[1] = note_twin;
    else if (!strcmp(name, "work")) twins = 0;
    else exit(2);
    code = notes[0] ? (void *)notes[0] : plain[0] ? (void *)plain[0] : (void *)work;
}

int main(int argc, char **argv) {
    setvbuf(stdout, 0, _IOLBF, 0);
    if (argc < 3) return 2;
    choose(argv[2]);
    calls = argc > 3 ? atol(argv[3]) : 1;
    int threads = argc > 4 ? atoi(argv[4]) : 1;
    if (threads < 1 || threads > 64) return 2;
    if (argc > 5) twins = 0;
    if (argc > 5 && atof(argv[5]) > 0) pace = 1e9 / atof(argv[5]);
    double each[64], sum = 0;
    if (!strcmp(argv[1], "tick")) {
        pthread_barrier_init(&together, 0, 1);
        for (twins = 0;; usleep(1000)) run(each);
    }
    if (!strcmp(argv[1], "armed")) {
        char before[16];
        memcpy(before, code, sizeof before);
        puts("ready");
        while (!memcmp(before, *(void *volatile *)&code, sizeof before)) usleep(200);
        puts("armed");
        usleep(300000);  // the tool may still be arming its other half, or about to begin to listen
        puts("calling");
    }
    if (notes[0] && twins) {  // the tool's buffer, of 16 MiB, is used once over before, and read to its end
        for (long i = 0; i < 20 * calls; i++) sink = notes[0]((int)i, i * 3, 7, "a short text");
        sleep(1);
    }
    pthread_barrier_init(&together, 0, threads);
    pthread_t all[64];
    if (threads == 1) {  // on the thread that a tool attached to
        run(each);
    } else {
        for (int i = 0; i < threads; i++) pthread_create(&all[i], 0, run, &each[i]);
        for (int i = 0; i < threads; i++) pthread_join(all[i], 0);
    }
    for (int i = 0; i < threads; i++) sum += each[i];
    printf("%s %.2f\n", twins ? "ns" : "mean", sum / threads);
    return 0;
}
