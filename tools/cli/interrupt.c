/* Ctrl-C: a run that shows its values to a listener is stopped there, so that what is complete is kept; any
 * other ends at once, and takes its temporary file with it. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

static volatile sig_atomic_t interrupted, polling;
static char tmp_path[4096];

static void handle(int signal_number) {
    (void)signal_number;
    if (polling && !interrupted) {
        interrupted = 1;
        return;
    }
    if (tmp_path[0]) unlink(tmp_path);
    _exit(130);
}

void cli_catch_interrupts(const char *tmp, bool polled) {
    struct sigaction action = {.sa_handler = handle};
    sigemptyset(&action.sa_mask);
    polling = polled;
    tmp_path[0] = '\0';
    if (tmp && strlen(tmp) < sizeof tmp_path) memcpy(tmp_path, tmp, strlen(tmp) + 1);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool cli_interrupted(void) {
    return interrupted != 0;
}
