/* Test folders as ONNX has them: a model.onnx, or the only .onnx file, with
 * test_data_set_N/{input,output}_N.pb beside it. */
#ifndef ONNXTAP_CLI_SUITE_H
#define ONNXTAP_CLI_SUITE_H

#include "cli.h"

/* Appends each folder at or below path that is a test, in order of name. false: path cannot be read. */
bool suite_find(const char *path, char ***folders, size_t *n);
/* The path of the folder's model, to be freed; NULL: it has none, or several and no model.onnx. */
char *suite_model(const char *folder);
/* Runs the model on every data set of the folder and compares. TAP_OK: as expected; else why tells. */
tap_status suite_run_one(const cli_args *args, const char *folder, char *why, size_t room);

#endif
