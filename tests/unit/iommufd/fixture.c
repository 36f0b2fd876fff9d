// SPDX-License-Identifier: LGPL-2.1-or-later
#include "fixture.h"

#include <sys/mman.h>

struct host host;
struct uiommu *ctx;
struct uiommu_mm *mm;
struct uiommu_file *iommufd;
char *memory;

/* ---- the host ---- */

static int host_install(void *opaque, struct uiommu_mm *owner, struct uiommu_file *file,
			bool cloexec)
{
	assert_true(cloexec);
	if (host.install_error)
		return host.install_error;
	for (int i = 0; i < MAX_FDS; i++) {
		if (!host.files[i]) {
			host.files[i] = file;
			return FIRST_FD + i;
		}
	}
	return -EMFILE;
}

static struct uiommu_file *host_fget(void *opaque, struct uiommu_mm *owner, int fd)
{
	if (fd < FIRST_FD || fd >= FIRST_FD + MAX_FDS)
		return UIOMMU_ERR_PTR(fd < 0 ? -EBADF : -EINVAL);
	if (!host.files[fd - FIRST_FD])
		return UIOMMU_ERR_PTR(-EBADF);
	return uiommu_file_get(host.files[fd - FIRST_FD]);
}

static void host_uninstall(void *opaque, struct uiommu_mm *owner, int fd)
{
	host_close(host.files[fd - FIRST_FD]);
}

static void host_readable(void *opaque, struct uiommu_file *file)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

	if (host.on_readable)
		host.on_readable();
	pthread_mutex_lock(&lock);
	host.readable = uiommu_file_readable(file);
	host.readable_calls++;
	pthread_mutex_unlock(&lock);
}

static const struct uiommu_host_ops host_ops = {
	.fget = host_fget,
	.install = host_install,
	.uninstall = host_uninstall,
	.readable = host_readable,
};

void host_close(struct uiommu_file *file)
{
	for (int i = 0; i < MAX_FDS; i++) {
		if (host.files[i] == file) {
			host.files[i] = NULL;
			uiommu_file_put(file);
			return;
		}
	}
	fail_msg("not in the table");
}

/* ---- setup ---- */

int setup(void **state)
{
	const struct uiommu_config config = {
		.size = sizeof(config),
		.host = &host_ops,
	};

	memset(&host, 0, sizeof(host));
	assert_int_equal(uiommu_create(&config, &ctx), 0);
	mm = uiommu_mm_self(ctx);
	iommufd = uiommu_open(ctx, "/dev/iommu", 2);
	assert_false(UIOMMU_IS_ERR(iommufd));
	memory = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(memory != MAP_FAILED);
	assert_int_equal(munmap(memory + 2 * PAGE, PAGE), 0);
	return 0;
}

int teardown(void **state)
{
	struct uiommu_counts left;

	if (iommufd)
		uiommu_file_put(iommufd);
	for (int i = 0; i < MAX_FDS; i++)
		if (host.files[i])
			host_close(host.files[i]);
	left = counts();
	assert_int_equal(left.devices, 0);
	assert_int_equal(left.groups, 0);
	assert_int_equal(left.domains, 0);
	assert_int_equal(left.handles, 0);
	assert_int_equal(left.files, 0);
	assert_int_equal(left.objects, 0);
	assert_int_equal(left.areas, 0);
	assert_int_equal(left.groups_open, 0);
	assert_int_equal(left.faults_reported, left.faults_answered);
	uiommu_mm_put(mm);
	uiommu_destroy(ctx);
	munmap(memory, 2 * PAGE);
	return 0;
}

long file_ioctl(struct uiommu_file *file, unsigned long request, void *arg)
{
	return uiommu_file_ioctl(file, mm, request, (uint64_t)(uintptr_t)arg);
}

struct uiommu_counts counts(void)
{
	struct uiommu_counts now;

	uiommu_get_counts(ctx, &now);
	return now;
}

/* ---- devices ---- */

static void page_response(struct uiommu_device *dev, const struct uiommu_page_response *resp)
{
	struct fake_device *fake = uiommu_device_drvdata(dev);
	const struct uiommu_fault *next;

	pthread_mutex_lock(&fake->lock);
	next = fake->next;
	fake->answers++;
	fake->last = *resp;
	fake->next = NULL;
	pthread_mutex_unlock(&fake->lock);
	if (next)
		uiommu_report_device_fault(dev, next);
}

static const struct uiommu_driver_ops driver_ops = {
	.page_response = page_response,
};

static struct fake_device *device_make(struct uiommu_group *group, uint32_t max_pasids, bool pri)
{
	struct fake_device *fake = calloc(1, sizeof(*fake));
	const struct uiommu_device_config config = {
		.name = "fake",
		.group = group,
		.max_pasids = max_pasids,
		.pri = pri,
		.ats = pri,
		.drvdata = fake,
		.ops = &driver_ops,
	};

	assert_non_null(fake);
	pthread_mutex_init(&fake->lock, NULL);
	assert_int_equal(uiommu_device_register(ctx, &config, &fake->dev), 0);
	return fake;
}

struct fake_device *device_new(struct uiommu_group *group)
{
	return device_make(group, 32, true);
}

struct fake_device *device_new_plain(void)
{
	return device_make(NULL, 0, false);
}

void device_free(struct fake_device *fake)
{
	uiommu_device_unregister(fake->dev);
	pthread_mutex_destroy(&fake->lock);
	free(fake);
}

struct iommufd_device *bind(struct uiommu_file *file, struct fake_device *dev)
{
	struct iommufd_ctx *ictx = iommufd_ctx_from_file(file);
	struct iommufd_device *idev;
	uint32_t id;

	assert_non_null(ictx);
	idev = iommufd_device_bind(ictx, dev->dev, &id);
	iommufd_ctx_put(ictx);
	if (!UIOMMU_IS_ERR(idev))
		assert_int_equal(id, iommufd_device_to_id(idev));
	return idev;
}

int dma_read(struct fake_device *dev, uint32_t pasid, uint64_t iova, void *buf, size_t length)
{
	struct uiommu_dma *dma;
	int rc;

	assert_int_equal(uiommu_dma_open(dev->dev, &dma), 0);
	rc = uiommu_dma_read(dma, pasid, iova, buf, length, 0, NULL);
	uiommu_dma_close(dma);
	return rc;
}

/* ---- ioctls ---- */

uint32_t ioas_alloc(void)
{
	struct iommu_ioas_alloc cmd = {.size = sizeof(cmd)};

	assert_int_equal(iommu_ioctl(IOMMU_IOAS_ALLOC, &cmd), 0);
	return cmd.out_ioas_id;
}

long hwpt_alloc(uint32_t dev_id, uint32_t pt_id, uint32_t flags, uint32_t fault_id)
{
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.dev_id = dev_id,
		.pt_id = pt_id,
		.fault_id = fault_id,
	};
	long rc = iommu_ioctl(IOMMU_HWPT_ALLOC, &cmd);

	return rc ? rc : (long)cmd.out_hwpt_id;
}

long ioas_map(uint32_t ioas, uint64_t iova, void *va, uint64_t length)
{
	struct iommu_ioas_map cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = ioas,
		.user_va = (uintptr_t)va,
		.length = length,
		.iova = iova,
	};

	return iommu_ioctl(IOMMU_IOAS_MAP, &cmd);
}

long ioas_unmap(uint32_t ioas, uint64_t iova, uint64_t length)
{
	struct iommu_ioas_unmap cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas,
		.iova = iova,
		.length = length,
	};
	long rc = iommu_ioctl(IOMMU_IOAS_UNMAP, &cmd);

	return rc ? rc : (long)cmd.length;
}

long destroy(uint32_t id)
{
	struct iommu_destroy cmd = {.size = sizeof(cmd), .id = id};

	return iommu_ioctl(IOMMU_DESTROY, &cmd);
}

struct uiommu_file *fault_alloc(uint32_t *id)
{
	struct iommu_fault_alloc cmd = {.size = sizeof(cmd)};

	assert_int_equal(iommu_ioctl(IOMMU_FAULT_QUEUE_ALLOC, &cmd), 0);
	*id = cmd.out_fault_id;
	assert_in_range(cmd.out_fault_fd, FIRST_FD, FIRST_FD + MAX_FDS - 1);
	return host.files[cmd.out_fault_fd - FIRST_FD];
}
