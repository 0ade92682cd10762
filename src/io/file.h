/* Whole files: mapped for reading, written under a temporary name that becomes the real one once everything
 * is there. */
#ifndef TAP_IO_FILE_H
#define TAP_IO_FILE_H

#include <stdatomic.h>

#include "core/base.h"
#include "onnxtap/onnxtap.h"

/* The bytes of a file, read-only, shared by reference counts. A regular file is mapped: it has to stay
 * unchanged. */
typedef struct tap_file {
    atomic_int refs;
    const uint8_t *data; /* never NULL */
    size_t n_bytes;
    bool mapped; /* else in memory */
} tap_file;

/* Opens path, or standard input for "-". What is no regular file is read to its end, at most limit_bytes (0:
 * no limit). Errors: TAP_IO, TAP_MEMORY. */
tap_status tap_file_open(const char *path, uint64_t limit_bytes, tap_file **out, tap_error *err);
void tap_file_retain(tap_file *f);
void tap_file_release(tap_file *f); /* NULL is fine */

/* A file on its way. It is PATH.tmp until tap_writer_commit renames it; what exists and is no regular file
 * (/dev/null, a pipe) is written in place. A failure to write sticks: it is reported at commit, so that no
 * call between needs a check. */
typedef struct tap_writer tap_writer;

tap_status tap_writer_open(const char *path, tap_writer **out, tap_error *err);
void tap_writer_write(tap_writer *o, const void *p, size_t n_bytes);
void tap_writer_printf(tap_writer *o, const char *fmt, ...) TAP_PRINTF(2, 3);
/* Overwrites n bytes written before. */
void tap_writer_patch(tap_writer *o, uint64_t at, const void *p, size_t n_bytes);
/* What was written leaves the buffer, so that a failure shows now, and a cut to here keeps it. */
void tap_writer_flush(tap_writer *o);
/* Leaves room for n bytes, zero until they are patched. */
void tap_writer_skip(tap_writer *o, uint64_t n_bytes);
/* Reads n bytes written before; false where that fails. */
bool tap_writer_read(tap_writer *o, uint64_t at, void *p, size_t n_bytes);
/* Forgets everything from `at` on, and the failure to write (a full disk) that came with it, so that half of
 * a member does not stay and what is before it can be closed. */
void tap_writer_cut(tap_writer *o, uint64_t at);
uint64_t tap_writer_at(const tap_writer *o);
bool tap_writer_failed(const tap_writer *o);
const char *tap_writer_path(const tap_writer *o);
/* What went wrong so far; TAP_OK where nothing did. */
tap_status tap_writer_check(const tap_writer *o, tap_error *err);
/* Gives the file its name. sync: first waits until the bytes are on the disk. Frees o in any case; on an
 * error nothing is left under either name. Errors: TAP_IO. */
tap_status tap_writer_commit(tap_writer *o, bool sync, tap_error *err);
/* Removes it. NULL is fine. */
void tap_writer_discard(tap_writer *o);

/* Makes the folder where there is none (its parents too). */
tap_status tap_make_folder(const char *path, tap_error *err);

#endif
