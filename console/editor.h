/* Lines from a person (libedit: editing, history, completion from the rows) or from a pipe. */
#ifndef CONSOLE_EDITOR_H
#define CONSOLE_EDITOR_H

#include "core/base.h"

struct editor;

/* terminal false: lines as they come, no prompt, no echo. Gives. */
struct editor *editor_open(bool terminal);

/* The next line without its newline and outer spaces, for free(); NULL at the end. Blocks. */
char *editor_line(struct editor *ed);

void editor_close(struct editor *ed);

#endif
