/* Where the time of a model's runs goes: by node, by operator. */
#ifndef CLI_PROFILE_H
#define CLI_PROFILE_H

#include "cli.h"

typedef struct profile profile;

profile *profile_new(void);
void profile_free(profile *p);
/* Adds the spans of the session's last run, which took ms milliseconds. */
void profile_add(profile *p, const tap_session *s, double ms);
/* Both before the session's model is closed: names are the model's. */
void profile_print(profile *p);
/* "profile": {...} in an open object. */
void profile_json(tap_json *j, profile *p);

#endif
