// COUNT functions fn_0, fn_1, ... Prints "ready", "armed" once probes changed the code of all of them, "restored" once all
// is as it was, and ends. Before "armed" it prints "pause N": the longest time, in milliseconds, for which a thread that only looks at the clock did
// not get to. It is preferred to others, where we may, so that it waits for a processor seldom.
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define TEXT(x) #x
#define NUMBER(x) TEXT(x)
#define STRIDE 16

__asm__(".text\n.altmacro\n"
        ".macro one n\n"
        ".p2align 4\n.globl fn_\\n\n.type fn_\\n,@function\n"
        "fn_\\n: push %rbp\nmov %rsp,%rbp\nlea 1(%rdi),%eax\npop %rbp\nret\n"
        ".size fn_\\n,.-fn_\\n\n"
        ".endm\n"
        ".set i,0\n"
        ".rept " NUMBER(COUNT) "\none %i\n.set i,i+1\n.endr\n"
        ".p2align 4\n.noaltmacro\n");
extern const char fn_0[];

static char before[COUNT * STRIDE];

static int changed(const char *code) {
    int n = 0;
    for (int i = 0; i < COUNT; i++) n += memcmp(before + i * STRIDE, code + i * STRIDE, STRIDE) != 0;
    return n;
}

static volatile int armed;
static double longest;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static void *watch(void *unused) {
    setpriority(PRIO_PROCESS, syscall(SYS_gettid), -20);
    for (double last = now(); !armed;) {
        double here = now();
        if (here - last > longest) longest = here - last;
        last = here;
    }
    return 0;
}

int main(void) {
    const char *volatile code = fn_0;
    pthread_t watcher;
    setvbuf(stdout, 0, _IOLBF, 0);
    memcpy(before, code, sizeof before);
    pthread_create(&watcher, 0, watch, 0);
    puts("ready");
    while (changed(code) < COUNT) usleep(1000);
    armed = 1;
    pthread_join(watcher, 0);
    printf("pause %.3f\n", longest);
    puts("armed");
    while (changed(code) > 0) usleep(1000);
    puts("restored");
    return 0;
}
