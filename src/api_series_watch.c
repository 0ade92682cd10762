/* Checkpoints as a training run writes them. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "api_series.h"
#include "core/error.h"

/* Files that were there at the last look, with what tells whether one is still being written. */
typedef struct seen {
    const char *path;
    off_t size;
    struct timespec time;
    bool ready, recorded;
} seen;

typedef struct watch {
    tap_series *series;
    const char *folder;
    seen *files;
    size_t n, room;
    double last_s; /* when something changed last */
} watch;

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static bool is_model(const char *name) {
    size_t n = strlen(name);
    return n > 5 && strcmp(name + n - 5, ".onnx") == 0;
}

static int by_time(const void *a, const void *b) {
    const seen *x = a, *y = b;
    if (x->time.tv_sec != y->time.tv_sec) return x->time.tv_sec < y->time.tv_sec ? -1 : 1;
    if (x->time.tv_nsec != y->time.tv_nsec) return x->time.tv_nsec < y->time.tv_nsec ? -1 : 1;
    return strcmp(x->path, y->path);
}

static seen *find(watch *w, const char *path) {
    for (size_t i = 0; i < w->n; i++)
        if (strcmp(w->files[i].path, path) == 0) return &w->files[i];
    if (w->n == w->room) {
        size_t room = w->room ? 2 * w->room : 16;
        seen *more = realloc(w->files, room * sizeof *more);
        if (!more) return NULL;
        w->files = more;
        w->room = room;
    }
    const char *copy = tap_arena_string(&w->series->arena, path, strlen(path));
    if (!copy) return NULL;
    w->files[w->n] = (seen){.path = copy, .size = -1};
    return &w->files[w->n++];
}

/* Notes a file that is there; ready: it is as it was at the last look, complete that is. */
static bool note(watch *w, const char *path) {
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size == 0) return true;
    seen *s = find(w, path);
    if (!s) return false;
    bool same =
        s->size == st.st_size && s->time.tv_sec == st.st_mtim.tv_sec && s->time.tv_nsec == st.st_mtim.tv_nsec;
    if (s->recorded && same) return true;
    s->ready = same;
    s->recorded = false; /* one that is written again is a checkpoint again */
    if (!s->ready) w->last_s = now_s();
    s->size = st.st_size;
    s->time = st.st_mtim;
    return true;
}

static tap_status look(watch *w, tap_error *err) {
    DIR *d = opendir(w->folder);
    tap_status s = TAP_OK;
    if (!d) return tap_error_set(err, TAP_IO, "%s: the folder cannot be read", w->folder);
    for (struct dirent *e; s == TAP_OK && (e = readdir(d));) {
        if (!is_model(e->d_name) || e->d_name[0] == '.') continue;
        tap_arena a;
        tap_arena_init(&a, NULL);
        const char *path = tap_arena_printf(&a, "%s/%s", w->folder, e->d_name);
        if (!path || !note(w, path)) s = tap_error_no_memory(err, sizeof(seen));
        tap_arena_clear(&a);
    }
    closedir(d);
    if (w->n > 1) qsort(w->files, w->n, sizeof *w->files, by_time);
    return s;
}

static bool is_stopped(const watch *w) {
    const tap_series_options *o = &w->series->options;
    return o->stop && o->stop(o->user);
}

/* The first that is not yet recorded, where it is complete: those behind it wait, for the order is theirs. */
static seen *next(watch *w) {
    for (size_t i = 0; i < w->n; i++)
        if (!w->files[i].recorded) return w->files[i].ready ? &w->files[i] : NULL;
    return NULL;
}

static tap_status record_ready(watch *w, int64_t until, tap_error *err) {
    tap_status s = TAP_OK;
    for (seen *f;
         s == TAP_OK && (until <= 0 || w->series->number < until) && !is_stopped(w) && (f = next(w));) {
        f->recorded = true;
        s = tap_series_add(w->series, f->path, err);
        w->last_s = now_s();
    }
    return s;
}

tap_status tap_series_watch(tap_series *s, const char *folder, int64_t until, double idle_s, tap_error *err) {
    watch w = {.series = s, .folder = folder, .last_s = now_s()};
    tap_status st = TAP_OK;
    while (st == TAP_OK && !is_stopped(&w) && (until <= 0 || s->number < until)) {
        st = look(&w, err);
        if (st == TAP_OK) st = record_ready(&w, until, err);
        if (idle_s > 0 && now_s() - w.last_s > idle_s) break;
        if (st == TAP_OK && (until <= 0 || s->number < until))
            nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
    }
    free(w.files);
    return st;
}
