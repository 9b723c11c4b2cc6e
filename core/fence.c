#include "core/fence.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool registered;

static long membarrier(int command)
{
	return syscall(SYS_membarrier, command, 0, 0);
}

void fence_start(void)
{
	registered = membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0;
}

bool fence_all_cores(void)
{
	return registered && membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0;
}
