/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who looks libc's functions up by name, in libc itself, gets what everybody else calls. */
#include <dlfcn.h>

#include "client.h"

typedef int (*open_fn)(const char *path, int flags, ...);
typedef int (*ioctl_fn)(int fd, unsigned long request, ...);
typedef int (*close_fn)(int fd);

/* ISO C has no conversion from an object's address to a function's. */
#define FIND(type, handle, name)                                                                   \
	({                                                                                         \
		void *find_sym = dlsym(handle, name);                                              \
		type find_fn;                                                                      \
		CHECK(find_sym);                                                                   \
		memcpy(&find_fn, &find_sym, sizeof(find_fn));                                      \
		find_fn;                                                                           \
	})

static void test_handle(void *handle)
{
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
	int fd = FIND(open_fn, handle, "open")("/dev/iommu", O_RDWR);

	CHECK(fd >= 0 && works(fd));
	CHECK(!FIND(ioctl_fn, handle, "ioctl")(fd, IOMMU_IOAS_ALLOC, &alloc));
	CHECK(!FIND(close_fn, handle, "close")(fd));
	CHECK_ERR(close(fd), EBADF);
}

int main(void)
{
	void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
	void *self = dlopen(NULL, RTLD_LAZY);
	void *math;

	CHECK(libc && self);
	test_handle(libc);
	test_handle(self);
	test_handle(RTLD_DEFAULT);
	/* Of others, what they have. */
	CHECK(dlsym(libc, "getpid") && dlsym(libc, "getpid") == dlsym(RTLD_DEFAULT, "getpid"));
	dlerror();
	CHECK(dlsym(libc, "qsort") && !dlerror());
	CHECK(!dlsym(libc, "no_such_function") && dlerror());
	CHECK(!dlsym(RTLD_NEXT, "main"));
	/* The next one after the program's own is the shim's. */
	CHECK(dlsym(RTLD_NEXT, "ioctl") == dlsym(libc, "ioctl"));
	math = dlopen("libm.so.6", RTLD_LAZY);
	CHECK(math && dlsym(math, "cos") && !dlclose(math));
	return 0;
}
