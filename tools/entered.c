/* Which functions of a program are entered: entered PROGRAM ARGUMENT... < ADDRESSES > ENTERED
 *
 * Standard input has the address of a function a line, as `nm` tells them; on standard output come those that
 * were entered, once each. At each address stands a breakpoint until it is met, so that the program runs at
 * nearly its own speed, on the instruction set it has. For Linux on x86-64; tools/text_order.py builds it. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BREAKPOINT = 0xcc };

typedef struct function {
    uint64_t address; /* in the file */
    unsigned char first_byte;
} function;

static int by_address(const void *a, const void *b) {
    uint64_t x = ((const function *)a)->address, y = ((const function *)b)->address;
    return (x > y) - (x < y);
}

static _Noreturn void fail(const char *what) {
    perror(what);
    exit(2);
}

/* The functions of standard input, ascending, each once; their number in *n. */
static function *read_functions(size_t *n) {
    size_t capacity = 0, count = 0;
    function *list = NULL;
    char line[64];
    while (fgets(line, sizeof line, stdin)) {
        if (count == capacity && !(list = realloc(list, (capacity = 2 * capacity + 1024) * sizeof *list)))
            fail("memory");
        list[count++] = (function){.address = strtoull(line, NULL, 16)};
    }
    if (!count) return NULL;
    qsort(list, count, sizeof *list, by_address);
    *n = 1;
    for (size_t k = 1; k < count; ++k)
        if (list[k].address != list[*n - 1].address) list[(*n)++] = list[k];
    return list;
}

/* The process of the command, stopped before its first instruction. What it prints is lost. */
static pid_t start(char **command) {
    pid_t child = fork();
    if (child < 0) fail("fork");
    if (!child) {
        int nowhere = open("/dev/null", O_RDWR);
        for (int k = 0; k <= 2; ++k) dup2(nowhere, k);
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        execv(command[0], command);
        _exit(127);
    }
    int status;
    if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) fail(command[0]);
    ptrace(PTRACE_SETOPTIONS, child, NULL, (void *)PTRACE_O_TRACECLONE);
    return child;
}

/* Where the program's file begins in the memory of the process. */
static uint64_t base_of(pid_t child) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/maps", (int)child);
    FILE *maps = fopen(path, "r");
    char line[64] = "";
    if (!maps || !fgets(line, sizeof line, maps)) fail(path);
    fclose(maps);
    return strtoull(line, NULL, 16);
}

static int memory_of(pid_t child) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/mem", (int)child);
    int memory = open(path, O_RDWR);
    if (memory < 0) fail(path);
    return memory;
}

static void put(int memory, uint64_t address, unsigned char byte) {
    if (pwrite(memory, &byte, 1, (off_t)address) != 1) fail("pwrite");
}

static void set_breakpoints(int memory, uint64_t base, function *list, size_t n) {
    for (size_t k = 0; k < n; ++k) {
        if (pread(memory, &list[k].first_byte, 1, (off_t)(base + list[k].address)) != 1) fail("pread");
        put(memory, base + list[k].address, BREAKPOINT);
    }
}

/* Whether the thread stands behind a breakpoint: it is taken away, and the thread goes back to where it was.
 */
static bool meets(pid_t thread, int memory, uint64_t base, const function *list, size_t n) {
    struct user_regs_struct registers;
    if (ptrace(PTRACE_GETREGS, thread, NULL, &registers)) return false;
    function key = {.address = registers.rip - 1 - base};
    const function *met = bsearch(&key, list, n, sizeof *list, by_address);
    if (!met) return false;
    put(memory, base + met->address, met->first_byte);
    registers.rip -= 1;
    ptrace(PTRACE_SETREGS, thread, NULL, &registers);
    printf("%llx\n", (unsigned long long)met->address);
    return true;
}

/* Until the process ends; its exit status, 128 and the signal's number where one ended it. */
static int follow(pid_t child, int memory, uint64_t base, const function *list, size_t n) {
    ptrace(PTRACE_CONT, child, NULL, NULL);
    for (;;) {
        int status;
        pid_t thread = waitpid(-1, &status, __WALL);
        if (thread < 0) fail("waitpid");
        if (thread == child && WIFEXITED(status)) return WEXITSTATUS(status);
        if (thread == child && WIFSIGNALED(status)) return 128 + WTERMSIG(status);
        if (!WIFSTOPPED(status)) continue;
        int signal = WSTOPSIG(status);
        bool of_tracing = signal == SIGSTOP || status >> 16;
        if (of_tracing || (signal == SIGTRAP && meets(thread, memory, base, list, n))) signal = 0;
        ptrace(PTRACE_CONT, thread, NULL, (void *)(intptr_t)signal);
    }
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fputs("usage: entered PROGRAM ARGUMENT... < ADDRESSES > ENTERED\n", stderr);
        return 2;
    }
    size_t n = 0;
    function *list = read_functions(&n);
    pid_t child = start(argv + 1);
    int memory = memory_of(child);
    uint64_t base = base_of(child);
    set_breakpoints(memory, base, list, n);
    int status = follow(child, memory, base, list, n);
    free(list);
    return status;
}
