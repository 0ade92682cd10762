/* Drives a fuzz target without libFuzzer: `replay N FILE...` gives it each file as it is, cut off at many
 * places, and N times changed. The changes depend on N and the files only, so that a failure comes again. */
#include <stdio.h>
#include <string.h>

#include "fuzz.h"

enum { CHANGES = 4, MOST = 64 }; /* at once; bytes that one of them adds */

static uint64_t state = UINT64_C(0x9e3779b97f4a7c15);

static uint64_t below(uint64_t n) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return n ? state % n : 0;
}

/* Changes bytes[n] in one of the ways in which a file goes wrong. Returns the new length, at most MOST more.
 */
static size_t change(uint8_t *bytes, size_t n) {
    static const uint8_t edges[] = {0, 1, 0x7f, 0x80, 0xff};
    size_t at = (size_t)below(n), len = (size_t)below(n - at < MOST ? n - at : MOST);
    switch (below(6)) {
    case 0: bytes[at] ^= (uint8_t)(1u << below(8)); return n;
    case 1: bytes[at] = edges[below(sizeof edges)]; return n;
    case 2: bytes[at] = (uint8_t)below(256); return n;
    case 3: memmove(bytes + at, bytes + at + len, n - at - len); return n - len;
    case 4: memmove(bytes + at + len, bytes + at, n - at); return n + len;
    default: memmove(bytes + below(n - len), bytes + at, len); return n;
    }
}

static void replay(const uint8_t *file, size_t n, long changes) {
    uint8_t *bytes = malloc(n + CHANGES * MOST);
    PROMISE(bytes);
    LLVMFuzzerTestOneInput(file, n);
    for (size_t cut = 0; cut < n; cut += 1 + n / 512) LLVMFuzzerTestOneInput(file, cut);
    for (long i = 0; i < changes && n > 0; i++) {
        size_t m = n;
        memcpy(bytes, file, n);
        for (uint64_t k = below(CHANGES) + 1; k > 0 && m > 0; k--) m = change(bytes, m);
        /* An allocation of its own, so that a read behind the end is seen. */
        uint8_t *exact = malloc(m ? m : 1);
        PROMISE(exact);
        memcpy(exact, bytes, m);
        LLVMFuzzerTestOneInput(exact, m);
        free(exact);
    }
    free(bytes);
}

static uint8_t *read_file(const char *path, size_t *n) {
    FILE *f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END) != 0) return NULL;
    long size = ftell(f);
    rewind(f);
    uint8_t *bytes = malloc(size > 0 ? (size_t)size : 1);
    *n = bytes ? fread(bytes, 1, (size_t)size, f) : 0;
    fclose(f);
    return bytes;
}

int main(int argc, char **argv) {
    long changes = argc > 1 ? strtol(argv[1], NULL, 10) : 0;
    for (int i = 2; i < argc; i++) {
        size_t n;
        uint8_t *file = read_file(argv[i], &n);
        if (!file) {
            fprintf(stderr, "cannot read %s\n", argv[i]);
            return 1;
        }
        replay(file, n, changes);
        free(file);
    }
    printf("%d files, %ld changes of each\n", argc - 2, changes);
    return argc < 3;
}
