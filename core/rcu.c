#include "core/rcu.h"

#include <urcu/urcu-qsbr.h>

/*
 * ThreadSanitizer does not see into liburcu. What a grace period orders is this: all that readers
 * did before they were quiet happens before rcu_wait returns, and all that the writer did before
 * rcu_wait happens before readers go on. One address stands for it.
 */
#ifdef WITH_TSAN
void __tsan_acquire(void *addr);
void __tsan_release(void *addr);
static char grace;
#define TELL_BEFORE() __tsan_release(&grace)
#define TELL_AFTER()  __tsan_acquire(&grace)
#else
#define TELL_BEFORE() ((void)0)
#define TELL_AFTER()  ((void)0)
#endif

void rcu_join(void)
{
	urcu_qsbr_register_thread();
	TELL_AFTER();
}

void rcu_leave(void)
{
	TELL_BEFORE();
	urcu_qsbr_unregister_thread();
}

void rcu_quiet(void)
{
	TELL_BEFORE();
	urcu_qsbr_quiescent_state();
	TELL_AFTER();
}

void rcu_rest(void)
{
	TELL_BEFORE();
	urcu_qsbr_thread_offline();
}

void rcu_wake(void)
{
	urcu_qsbr_thread_online();
	TELL_AFTER();
}

void rcu_wait(void)
{
	TELL_BEFORE();
	urcu_qsbr_synchronize_rcu();
	TELL_AFTER();
}
