// COUNT functions fn_0, fn_1, ... Prints "ready", "armed" once probes changed the code of all of them, "restored" once all
// is as it was, and ends.
#include <stdio.h>
#include <string.h>
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

int main(void) {
    const char *volatile code = fn_0;
    setvbuf(stdout, 0, _IOLBF, 0);
    memcpy(before, code, sizeof before);
    puts("ready");
    while (changed(code) < COUNT) usleep(1000);
    puts("armed");
    while (changed(code) > 0) usleep(1000);
    puts("restored");
    return 0;
}
