/* Finding test folders. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "suite.h"

#define DEPTH_MOST 32

static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static char **list(const char *path, size_t *n) {
    DIR *d = opendir(path);
    char **names = NULL;
    *n = 0;
    if (!d) return NULL;
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.') continue;
        names = cli_grow(names, *n + 1, sizeof *names);
        names[(*n)++] = cli_format("%s/%s", path, e->d_name);
    }
    closedir(d);
    if (*n) qsort(names, *n, sizeof *names, by_text);
    return names ? names : cli_alloc(1, sizeof *names);
}

static bool is_folder(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static const char *last_part(const char *path) {
    return strrchr(path, '/') + 1;
}

static void find(const char *path, int depth, char ***folders, size_t *n) {
    size_t n_names;
    char **names = depth < DEPTH_MOST ? list(path, &n_names) : NULL;
    bool has_model = false, has_data = false;
    for (size_t i = 0; names && i < n_names; i++) {
        has_model |= strcmp(last_part(names[i]), "model.onnx") == 0;
        has_data |= strncmp(last_part(names[i]), "test_data_set_", 14) == 0;
    }
    if (has_model && has_data) {
        *folders = cli_grow(*folders, *n + 1, sizeof **folders);
        (*folders)[(*n)++] = cli_format("%s", path);
    }
    for (size_t i = 0; names && i < n_names; i++) {
        if (!has_data && is_folder(names[i])) find(names[i], depth + 1, folders, n);
        free(names[i]);
    }
    free(names);
}

bool suite_find(const char *path, char ***folders, size_t *n) {
    if (!is_folder(path)) return false;
    find(path, 0, folders, n);
    return true;
}
