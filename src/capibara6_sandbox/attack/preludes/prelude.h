/* Included before every hostile program in C, which ends by hold() so that it can be observed. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
static void say(const char *met, const char *what) { printf("@%s %s\n", met, what); fflush(stdout); }
/* Tell what came of something that ought to fail; true if it succeeded. */
static int attempt(const char *what, long result) {
    say(result == -1 ? strerrorname_np(errno) : "OK", what);
    return result != -1;
}
static void hold(void) { printf("\n@held\n"); fflush(stdout); for (;;) pause(); }
