// The program that all tools observe.
//
//   loop run FUNCTION CALLS [THREADS]  calls at once and prints "ns N", nanoseconds per call
//   loop armed FUNCTION CALLS THREADS [RATE]  waits until a probe changes the function's code, prints "armed", and a little later "calling", then as
//                                             run, in THREADS threads, each with no more than RATE calls a second
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

// Three functions that do the same, with the first instructions that decide what a probe costs.
#define FUNCTION(name, prologue, epilogue)                             \
    __attribute__((naked, noinline, noipa)) int name(int n) {           \
        __asm__(prologue "lea 1(%rdi),%eax\n" epilogue "ret");          \
    }
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

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

static void *code;  // of the observed function
static int (*plain)(int);
static long calls;
static int noting;
static double pace;  // nanoseconds from call to call, 0: as fast as it can

static double run(void) {
    double start = now();
    if (noting) {
        for (long i = 0; i < calls; i++) {
            sink = note((int)i, i * 3, 7, "a short text");
            if (pace > 0 && i % 16 == 15)
                while (now() - start < pace * i) {}
        }
    } else if (plain) {
        for (long i = 0; i < calls; i++) sink = plain((int)i);
    } else {
        char statement[64];
        for (long i = 0; i < calls; i++) {
            snprintf(statement, sizeof statement, "statement number %06ld", i % 1000000);
            sink = work((int)i, statement);
        }
    }
    return (now() - start) / calls;
}

static void *thread(void *result) {
    *(double *)result = run();
    return 0;
}

static void choose(const char *name) {
    if (!strcmp(name, "f_endbr")) plain = f_endbr;
    else if (!strcmp(name, "f_push")) plain = f_push;
    else if (!strcmp(name, "f_mov")) plain = f_mov;
    else if (!strcmp(name, "note")) noting = 1;
    else if (strcmp(name, "work")) exit(2);
    code = noting ? (void *)note : plain ? (void *)plain : (void *)work;
}

int main(int argc, char **argv) {
    setvbuf(stdout, 0, _IOLBF, 0);
    if (argc < 3) return 2;
    choose(argv[2]);
    calls = argc > 3 ? atol(argv[3]) : 1;
    if (!strcmp(argv[1], "tick")) {
        for (;;) {
            run();
            usleep(1000);
        }
    }
    int threads = argc > 4 ? atoi(argv[4]) : 1;
    if (argc > 5 && atof(argv[5]) > 0) pace = 1e9 / atof(argv[5]);
    if (!strcmp(argv[1], "armed")) {
        char before[16];
        memcpy(before, code, sizeof before);
        puts("ready");
        while (!memcmp(before, *(void *volatile *)&code, sizeof before)) usleep(200);
        puts("armed");
        usleep(300000);  // the tool may still be arming its other half, or about to begin to listen
        puts("calling");
    }
    pthread_t all[64];
    double each[64], sum = 0;
    if (threads > 64) return 2;
    if (threads == 1) {  // on the thread that a tool attached to
        printf("ns %.2f\n", run());
        return 0;
    }
    for (int i = 0; i < threads; i++) pthread_create(&all[i], 0, thread, &each[i]);
    for (int i = 0; i < threads; i++) pthread_join(all[i], 0), sum += each[i];
    printf("ns %.2f\n", sum / threads);
    return 0;
}
