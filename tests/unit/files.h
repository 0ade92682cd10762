/* For tests of files: a folder of the test's own, removed with what is in it. */
#ifndef TAP_TESTS_UNIT_FILES_H
#define TAP_TESTS_UNIT_FILES_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char test_folder[256];

static void folder_make(void) {
    const char *tmp = getenv("TMPDIR");
    snprintf(test_folder, sizeof test_folder, "%s/onnxtap-test-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(test_folder)) {
        perror(test_folder);
        exit(1);
    }
}

static void folder_remove_all(const char *path) {
    DIR *d = opendir(path);
    if (!d) {
        unlink(path);
        return;
    }
    for (struct dirent *e; (e = readdir(d));) {
        char inner[1024];
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        snprintf(inner, sizeof inner, "%s/%s", path, e->d_name);
        folder_remove_all(inner);
    }
    closedir(d);
    rmdir(path);
}

/* test_folder/name; valid until the fourth call from now. */
static inline const char *in_folder(const char *name) {
    static char paths[4][512];
    static unsigned next;
    char *p = paths[next++ % 4];
    snprintf(p, sizeof paths[0], "%s/%s", test_folder, name);
    return p;
}

static inline void file_put(const char *path, const void *bytes, size_t n) {
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(bytes, 1, n, f) != n || fclose(f) != 0) {
        perror(path);
        exit(1);
    }
}

/* The whole file, terminated; *n its length. NULL where there is none. */
static inline char *file_get(const char *path, size_t *n) {
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    fseek(f, 0, SEEK_END);
    *n = (size_t)ftell(f);
    rewind(f);
    char *p = malloc(*n + 1);
    if (!p || fread(p, 1, *n, f) != *n) exit(1);
    fclose(f);
    p[*n] = '\0';
    return p;
}

static inline int file_exists(const char *path) {
    return access(path, F_OK) == 0;
}

#endif
