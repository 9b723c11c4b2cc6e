/* The daemon's own console on standard input, when it is not --supervised: its end ends the daemon.
 */
#ifndef CONSOLE_STDIN_CONSOLE_H
#define CONSOLE_STDIN_CONSOLE_H

/* Starts reading; a file that can't be waited for is read at once. Control thread. */
void stdin_console_start(void);

/* Gives the terminal back as it was. */
void stdin_console_stop(void);

#endif
