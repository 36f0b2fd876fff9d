// SPDX-License-Identifier: LGPL-2.1-or-later
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fixture.h"
#include "mm/object.h"

int fixture_setup(void **state)
{
	struct uiommu *ctx = calloc(1, sizeof(*ctx));

	if (!ctx)
		return -1;
	*state = ctx;
	return mm_init(ctx);
}

int fixture_teardown(void **state)
{
	struct uiommu *ctx = *state;

	if (ctx->self_mm->refs != 1)
		return -1;
	mm_exit(ctx);
	free(ctx);
	return 0;
}

char *fixture_pages(size_t nr)
{
	char *p = mmap(NULL, (nr + 2) * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);

	if (p == MAP_FAILED)
		abort();
	munmap(p, PAGE);
	munmap(p + (nr + 1) * PAGE, PAGE);
	return p + PAGE;
}

void fixture_unmap(char *pages, size_t nr)
{
	munmap(pages, nr * PAGE);
}

static void handler(int sig, siginfo_t *info, void *ucontext)
{
	(void)info;
	if (uiommu_guard_fault(ucontext))
		return;
	signal(sig, SIG_DFL); /* and comes back to die of it */
}

void fixture_guard(bool on)
{
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};

	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	uiommu_guard_enable(on);
}
