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

static bool is_model(const char *name) {
    size_t n = strlen(name);
    return n > 5 && strcmp(name + n - 5, ".onnx") == 0;
}

static void free_list(char **names, size_t n) {
    for (size_t i = 0; names && i < n; i++) free(names[i]);
    free(names);
}

char *suite_model(const char *folder) {
    size_t n, n_models = 0;
    const char *model = NULL;
    char **names = list(folder, &n);
    for (size_t i = 0; names && i < n; i++) {
        if (!is_model(last_part(names[i]))) continue;
        model = names[i];
        n_models++;
        if (strcmp(last_part(model), "model.onnx") != 0) continue;
        n_models = 1;
        break;
    }
    char *found = n_models == 1 ? cli_format("%s", model) : NULL;
    free_list(names, n);
    return found;
}

static void find(const char *path, int depth, char ***folders, size_t *n) {
    size_t n_names = 0;
    char **names = depth < DEPTH_MOST ? list(path, &n_names) : NULL;
    bool has_model = false, has_data = false;
    for (size_t i = 0; names && i < n_names; i++) {
        has_model |= is_model(last_part(names[i]));
        has_data |= strncmp(last_part(names[i]), "test_data_set_", 14) == 0;
    }
    if (has_model && has_data) {
        *folders = cli_grow(*folders, *n + 1, sizeof **folders);
        (*folders)[(*n)++] = cli_format("%s", path);
    }
    for (size_t i = 0; names && i < n_names; i++)
        if (!has_data && is_folder(names[i])) find(names[i], depth + 1, folders, n);
    free_list(names, n_names);
}

bool suite_find(const char *path, char ***folders, size_t *n) {
    if (!is_folder(path)) return false;
    find(path, 0, folders, n);
    return true;
}
