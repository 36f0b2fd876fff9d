// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * fuzz/run.c - one operation: its arguments, how they are passed, what comes back
 *
 * Operations that the model knows nothing of are here; what they do to objects,
 * descriptors and address spaces is looked at after each (check.c).
 */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "iommufd/iommufd.h"
#include "mock/mock.h"
#include "uapi/iommufd.h"
#include "uapi/vfio.h"
#include "world.h"

struct run run;

void *scratch(void)
{
	return (void *)SCRATCH_VA;
}

struct iommufd_ctx *run_ctx(void)
{
	return ui_container_of(world.iommufd, struct iommufd_ctx, file);
}

struct iommufd_object *run_object(uint32_t id)
{
	return idtable_find(&run_ctx()->objects, id);
}

struct mock_device *run_device(struct iommufd_object *obj)
{
	static const struct iommufd_object_ops *mock_ops;

	/* The room keeps its table to itself. */
	if (obj && !mock_ops && !strcmp(obj->ops->name, "SELFTEST"))
		mock_ops = obj->ops;
	return obj && obj->ops == mock_ops ? ui_container_of(obj, struct mock_device, obj) : NULL;
}

/* ---- arguments ---- */

uint64_t arg(unsigned int nr)
{
	uint64_t value = run.op->arg[nr];

	if (arg_is_ref(value)) {
		uint64_t op = ref_op(value);
		unsigned int result = ref_result(value);

		return op < run.nr && result < OP_RESULTS ? run.results[op][result] : 0;
	}
	if ((value & TAG_MASK) == VA_TAG)
		return buffer_va((unsigned int)(value >> 40 & 7)) + (value & 0xffffff);
	return value;
}

void set_result(unsigned int nr, uint64_t value)
{
	run.results[run.nr][nr] = value;
}

/* ---- how they are passed ---- */

bool frame_blocks(void)
{
	switch (run.op->frame) {
	case FRAME_SHORT:
	case FRAME_BIGNZ:
	case FRAME_BADPTR:
	case FRAME_NULL:
	case FRAME_CROSS:
		return true;
	default:
		return false;
	}
}

/* What the size says, and where the argument is. */
static uint32_t frame_size(size_t size, size_t min_size, uint64_t *at)
{
	uint32_t extra = run.op->frame_arg | 1u;

	*at = COMMAND_VA;
	switch (run.op->frame) {
	case FRAME_SHORT:
		return extra < min_size ? extra : (uint32_t)min_size - 1;
	case FRAME_MIN:
		return (uint32_t)min_size;
	case FRAME_BIGZ:
	case FRAME_BIGNZ:
		return (uint32_t)size + extra;
	case FRAME_BADPTR:
		*at = HOLE_VA;
		break;
	case FRAME_NULL:
		*at = 0;
		break;
	case FRAME_CROSS:
		*at = COMMAND_VA + COMMAND_SIZE - 4;
		break;
	case FRAME_RO:
		*at = COMMAND_RO_VA;
		break;
	default:
		break;
	}
	return (uint32_t)size;
}

static long do_ioctl(unsigned long request, uint64_t at)
{
	long rc;

	ui_fail_nth = run.op->fail;
	rc = uiommu_file_ioctl(world.iommufd, world.mm, request, at);
	run.fired = run.op->fail && !ui_fail_nth;
	ui_fail_nth = 0;
	return rc;
}

long call(unsigned long request, void *cmd, size_t size, size_t min_size)
{
	unsigned char *command = (unsigned char *)COMMAND_VA;
	uint64_t at;
	uint32_t told = frame_size(size, min_size, &at);
	long rc;

	memset(command, 0, 1024);
	memcpy(cmd, &told, sizeof(told));
	memcpy(run.op->frame == FRAME_CROSS ? (unsigned char *)at : command, cmd,
	       run.op->frame == FRAME_CROSS ? 4 : size);
	if (run.op->frame == FRAME_BIGNZ)
		command[told - 1] = 0x5a;
	rc = do_ioctl(request, at);
	if (frame_blocks()) {
		must(rc < 0, "an argument that wasn't there was taken: %ld", rc);
		return rc;
	}
	memcpy(cmd, command, size);
	return rc;
}

long call_raw(unsigned long request, void *cmd, size_t size)
{
	long rc;

	memcpy((void *)COMMAND_VA, cmd, size);
	rc = do_ioctl(request, COMMAND_VA);
	memcpy(cmd, (void *)COMMAND_VA, size);
	return rc;
}

bool settle(struct expect e, long rc, bool answers)
{
	if (frame_blocks() && rc < 0 && rc != e.rc)
		return false;
	if (frame_blocks())
		return false;
	if (answers && run.op->frame == FRAME_RO && rc == -EFAULT && !e.rc)
		return true;
	/* Looking at memory and looking up an object can fail as well, in their own ways. */
	if (run.fired && rc < 0)
		return false;
	if (e.loose && (rc == -EFAULT || rc == -EINVAL || rc == -ENOMEM || rc == -EPERM))
		return false;
	must(rc == e.rc, "rc is %ld, should be %d", rc, e.rc);
	return !rc;
}

/* ---- iommufd ---- */

static void run_destroy(void)
{
	struct iommu_destroy cmd = {.id = (uint32_t)arg(0)};
	struct iommufd_object *obj = run_object(cmd.id);
	const uint32_t id = cmd.id;
	bool is_hwpt = obj && iommufd_hwpt_is(obj);
	const struct iommufd_hwpt *hwpt = is_hwpt ? iommufd_hwpt_of(obj) : NULL;
	struct expect e = just(0);

	if (!obj)
		e = just(-ENOENT);
	else if (obj->users != 1)
		e = just(-EBUSY);
	if (!settle(e, CALL(IOMMU_DESTROY, cmd, id), false))
		return;
	if (model_find(id))
		model_del(id);
	if (hwpt)
		model_del_hwpt(hwpt);
}

static void run_option(void)
{
	struct iommu_option cmd = {
		.option_id = (uint32_t)arg(0),
		.op = (uint16_t)arg(1),
		.__reserved = (uint16_t)(arg(1) >> 16),
		.object_id = (uint32_t)arg(2),
		.val64 = arg(3),
	};

	CALL(IOMMU_OPTION, cmd, val64);
}

static void run_vfio_ioas(void)
{
	struct iommu_vfio_ioas cmd = {
		.op = (uint16_t)arg(0),
		.ioas_id = (uint32_t)arg(1),
	};

	CALL(IOMMU_VFIO_IOAS, cmd, __reserved);
}

static void run_hwpt_alloc(void)
{
	struct iommu_hwpt_alloc cmd = {
		.dev_id = (uint32_t)arg(0),
		.pt_id = (uint32_t)arg(1),
		.flags = (uint32_t)arg(2),
		.__reserved = (uint32_t)(arg(2) >> 32),
		.data_type = (uint32_t)arg(3),
		.data_len = (uint32_t)arg(4),
		.data_uptr = SCRATCH_VA,
		.fault_id = (uint32_t)arg(6),
	};

	memset(scratch(), 0, 256);
	*(uint64_t *)scratch() = arg(5);
	if (!CALL(IOMMU_HWPT_ALLOC, cmd, __reserved))
		set_result(0, cmd.out_hwpt_id);
}

static void run_hw_info(void)
{
	struct iommu_hw_info cmd = {
		.dev_id = (uint32_t)arg(0),
		.flags = (uint32_t)arg(1),
		.in_data_type = (uint32_t)arg(2),
		.data_len = (uint32_t)arg(3),
		.data_uptr = SCRATCH_VA,
	};

	/* What the driver doesn't know is cleared, however long the buffer is said to be. */
	if (cmd.data_len > 65536)
		cmd.data_uptr = SCRATCH_VA + SCRATCH_SIZE - 16;
	CALL(IOMMU_GET_HW_INFO, cmd, __reserved);
}

static void run_invalidate(void)
{
	struct iommu_hwpt_invalidate cmd = {
		.hwpt_id = (uint32_t)arg(0),
		.data_type = (uint32_t)arg(1),
		.entry_len = (uint32_t)arg(2),
		.entry_num = (uint32_t)arg(3),
		.data_uptr = SCRATCH_VA,
	};
	uint64_t entries[2] = {arg(4), arg(5)};

	memset(scratch(), 0, 4096);
	for (unsigned int i = 0; i < 2; i++)
		memcpy((char *)scratch() + (size_t)i * (cmd.entry_len % 64), &entries[i], 8);
	if (cmd.entry_num > 64)
		cmd.data_uptr = SCRATCH_VA + SCRATCH_SIZE - 64;
	CALL(IOMMU_HWPT_INVALIDATE, cmd, __reserved);
}

static void run_fault_alloc(void)
{
	struct iommu_fault_alloc cmd = {.flags = (uint32_t)arg(0)};

	if (CALL(IOMMU_FAULT_QUEUE_ALLOC, cmd, out_fault_fd))
		return;
	set_result(0, cmd.out_fault_id);
	set_result(1, cmd.out_fault_fd);
	must(world_fd_of(cmd.out_fault_fd), "fd %u", cmd.out_fault_fd);
}

static void run_viommu_alloc(void)
{
	struct iommu_viommu_alloc cmd = {
		.flags = (uint32_t)arg(0),
		.type = (uint32_t)arg(1),
		.dev_id = (uint32_t)arg(2),
		.hwpt_id = (uint32_t)arg(3),
		.data_len = (uint32_t)arg(4),
		.data_uptr = SCRATCH_VA,
	};
	struct mock_viommu_data *data = scratch();

	memset(data, 0, 256);
	data->in_data = (uint32_t)arg(5);
	if (CALL(IOMMU_VIOMMU_ALLOC, cmd, out_viommu_id))
		return;
	set_result(0, cmd.out_viommu_id);
	set_result(1, data->out_mmap_offset);
}

static void run_vdevice_alloc(void)
{
	struct iommu_vdevice_alloc cmd = {
		.viommu_id = (uint32_t)arg(0),
		.dev_id = (uint32_t)arg(1),
		.virt_id = arg(2),
	};

	if (!CALL(IOMMU_VDEVICE_ALLOC, cmd, virt_id))
		set_result(0, cmd.out_vdevice_id);
}

static void run_veventq_alloc(void)
{
	struct iommu_veventq_alloc cmd = {
		.flags = (uint32_t)arg(0),
		.viommu_id = (uint32_t)arg(1),
		.type = (uint32_t)arg(2),
		.veventq_depth = (uint32_t)arg(3),
	};

	if (CALL(IOMMU_VEVENTQ_ALLOC, cmd, out_veventq_fd))
		return;
	set_result(0, cmd.out_veventq_id);
	set_result(1, cmd.out_veventq_fd);
	must(world_fd_of(cmd.out_veventq_fd), "fd %u", cmd.out_veventq_fd);
}

static void run_hw_queue_alloc(void)
{
	struct iommu_hw_queue_alloc cmd = {
		.flags = (uint32_t)arg(0),
		.viommu_id = (uint32_t)arg(1),
		.type = (uint32_t)arg(2),
		.index = (uint32_t)arg(3),
		.nesting_parent_iova = arg(4),
		.length = arg(5),
	};

	if (!CALL(IOMMU_HW_QUEUE_ALLOC, cmd, length))
		set_result(0, cmd.out_hw_queue_id);
}

static void run_change_process(void)
{
	struct iommu_ioas_change_process cmd = {.__reserved = (uint32_t)arg(0)};

	CALL(IOMMU_IOAS_CHANGE_PROCESS, cmd, __reserved);
}

/* ---- the mock driver ---- */

static void run_mock_domain(bool flags)
{
	struct mock_cmd cmd = {
		.op = flags ? MOCK_OP_DOMAIN_FLAGS : MOCK_OP_DOMAIN,
		.id = (uint32_t)arg(0),
	};

	if (flags)
		cmd.domain.flags = (uint32_t)arg(1);
	if (CALL(MOCK_TEST_CMD, cmd, last))
		return;
	set_result(0, cmd.domain.out_stdev_id);
	set_result(1, cmd.domain.out_hwpt_id);
	set_result(2, cmd.domain.out_idev_id);
}

static void run_mock(void)
{
	struct mock_cmd cmd = {.id = (uint32_t)arg(0)};

	switch (run.op->kind) {
	case OP_MOCK_DOMAIN_REPLACE:
		cmd.op = MOCK_OP_REPLACE;
		cmd.replace.pt_id = (uint32_t)arg(1);
		break;
	case OP_MD_CHECK_IOTLB:
	case OP_DEV_CHECK_CACHE:
		cmd.op = run.op->kind == OP_MD_CHECK_IOTLB ? MOCK_OP_CHECK_IOTLB :
							     MOCK_OP_CHECK_CACHE;
		cmd.check.index = (uint32_t)arg(1);
		cmd.check.value = (uint32_t)arg(2);
		break;
	case OP_TRIGGER_IOPF:
		cmd.op = MOCK_OP_TRIGGER_IOPF;
		cmd.iopf.dev_id = cmd.id;
		cmd.id = 0;
		cmd.iopf.pasid = (uint32_t)arg(1);
		cmd.iopf.grpid = (uint32_t)arg(2);
		cmd.iopf.perm = (uint32_t)arg(3);
		cmd.iopf.addr = arg(4);
		break;
	case OP_TRIGGER_VEVENT:
		cmd.op = MOCK_OP_TRIGGER_VEVENT;
		cmd.vevent.dev_id = cmd.id;
		cmd.id = 0;
		break;
	case OP_PASID_ATTACH:
	case OP_PASID_REPLACE:
	case OP_PASID_DETACH:
	case OP_PASID_CHECK_HWPT:
		cmd.op = MOCK_OP_PASID_ATTACH + (run.op->kind - OP_PASID_ATTACH);
		cmd.pasid.pasid = (uint32_t)arg(1);
		cmd.pasid.pt_id = run.op->kind == OP_PASID_DETACH ? 0 : (uint32_t)arg(2);
		break;
	case OP_MD_CHECK_MAP:
		cmd.op = MOCK_OP_CHECK_MAP;
		cmd.check_map.iova = arg(1);
		cmd.check_map.length = arg(2);
		cmd.check_map.uptr = arg(3);
		break;
	case OP_SET_TEMP_MEMORY_LIMIT:
		cmd.op = MOCK_OP_MEMORY_LIMIT;
		cmd.memory_limit.limit = (uint32_t)arg(0);
		break;
	default:
		cmd.op = (uint32_t)arg(0);
		cmd.id = (uint32_t)arg(1);
		memcpy(&cmd.check_map, &run.op->arg[2], 24);
		if (cmd.op <= MOCK_OP_DMABUF_REVOKE)
			cmd.op += 24;
		break;
	}
	if (CALL(MOCK_TEST_CMD, cmd, last))
		return;
	run.pasids |= run.op->kind == OP_PASID_ATTACH;
	if (run.op->kind == OP_MOCK_DOMAIN_REPLACE)
		set_result(0, cmd.replace.pt_id);
}

/* The kernel's own numbers of references need all of /proc/self/maps for each page. */
static void run_check_refs(void)
{
	struct mock_cmd cmd = {
		.op = MOCK_OP_CHECK_REFS,
		.check_refs = {.uptr = arg(0), .length = arg(1) > 4096 ? arg(1) | 1 : arg(1)},
	};

	cmd.check_refs.refs = (uint32_t)arg(2);
	CALL(MOCK_TEST_CMD, cmd, last);
}

/* ---- as a VFIO container, and what is unknown ---- */

static void run_vfio_info(void)
{
	struct {
		struct vfio_iommu_type1_info info;
		char more[512];
	} info = {.info.argsz = (uint32_t)arg(0)};
	uint32_t argsz = info.info.argsz;
	long rc = call_raw(VFIO_IOMMU_GET_INFO, &info, sizeof(info));
	uint32_t at = info.info.cap_offset;

	/* The list of what it can do ends, and is inside of what was asked for. */
	for (unsigned int i = 0; !rc && argsz >= sizeof(info.info) && at && i < 4; i++) {
		struct vfio_info_cap_header header;

		must(at + sizeof(header) <= argsz, "a capability at %u of %u bytes", at, argsz);
		if (at + sizeof(header) > sizeof(info))
			break;
		memcpy(&header, (char *)&info + at, sizeof(header));
		must(!header.next || header.next > at, "a capability at %u leads to %u", at,
		     header.next);
		at = header.next;
	}
}

static void run_raw(void)
{
	uint64_t words[4] = {(uint32_t)arg(1), arg(2), arg(3)};
	unsigned long request = arg(0);

	/* Those with a model would leave it. */
	if ((request & 0xffff) >= 0x3b80 && (request & 0xffff) <= 0x3ba0)
		request |= 0x40000000;
	if (request >= VFIO_CHECK_EXTENSION - 1 && request <= VFIO_CHECK_EXTENSION + 30)
		request += 64;
	call_raw(request, words, sizeof(words));
}

/* ---- descriptors ---- */

static struct uiommu_file *file_of(uint64_t fd)
{
	struct world_fd *entry = world_fd_of(fd);

	return entry ? entry->file : fd ? NULL : world.iommufd;
}

static void run_file(void)
{
	struct uiommu_file *file = file_of(arg(0));
	const struct iommu_hwpt_page_response answers[2] = {
		{.cookie = (uint32_t)arg(2), .code = (uint32_t)(arg(2) >> 32)},
		{.cookie = (uint32_t)arg(3), .code = (uint32_t)(arg(3) >> 32)},
	};
	uint64_t length = arg(1) < 8192 ? arg(1) : 8192;

	if (!file)
		return;
	ui_fail_nth = run.op->fail;
	switch (run.op->kind) {
	case OP_READ:
		uiommu_file_read(file, world.mm, SCRATCH_VA, length);
		break;
	case OP_WRITE:
		memset(scratch(), 0, length);
		memcpy(scratch(), answers, sizeof(answers));
		uiommu_file_write(file, world.mm, SCRATCH_VA, length);
		break;
	case OP_POLL:
		uiommu_file_poll(file);
		break;
	default:
		if (file != world.iommufd)
			world_close(arg(0));
		break;
	}
	ui_fail_nth = 0;
}

static struct uiommu_mapping **map_of(uint64_t nr)
{
	const size_t max = sizeof(world.maps) / sizeof(world.maps[0]);

	return nr && nr <= max ? &world.maps[nr - 1] : NULL;
}

static void run_mmap(void)
{
	const int prot = (int)(arg(2) & (PROT_READ | PROT_WRITE | PROT_EXEC));
	const size_t max = sizeof(world.maps) / sizeof(world.maps[0]);
	size_t i = 0;
	int rc;

	while (i < max && world.maps[i])
		i++;
	if (i == max)
		return;
	ui_fail_nth = run.op->fail;
	rc = uiommu_file_mmap(world.iommufd, NULL, prot, arg(2) & 8 ? MAP_PRIVATE : MAP_SHARED,
			      arg(0), arg(1), &world.maps[i]);
	ui_fail_nth = 0;
	if (rc)
		world.maps[i] = NULL;
	else
		set_result(0, i + 1);
}

static void run_map_access(void)
{
	struct uiommu_mapping **map = map_of(arg(0));
	unsigned int width = 1u << (arg(2) & 3);
	uint64_t offset = arg(1) & 0x1fff & -(uint64_t)width, value;

	if (!map || !*map)
		return;
	if (arg(3) & 1)
		must(!uiommu_mapping_write(*map, offset, arg(4), width), "store");
	must(!uiommu_mapping_read(*map, offset, &value, width), "load");
	if (arg(3) & 1)
		must(value == (width == 8 ? arg(4) : arg(4) & ((1ull << 8 * width) - 1)),
		     "loaded %#llx", (unsigned long long)value);
}

static void run_munmap(void)
{
	struct uiommu_mapping **map = map_of(arg(0));

	if (!map || !*map)
		return;
	uiommu_mapping_put(*map);
	*map = NULL;
}

/* ---- all ---- */

static void run_modelled(void)
{
	switch (run.op->kind) {
	case OP_IOAS_ALLOC:
		return run_ioas_alloc();
	case OP_IOAS_MAP:
		return run_map();
	case OP_IOAS_MAP_FILE:
		return run_map_file();
	case OP_IOAS_UNMAP:
		return run_unmap();
	case OP_IOAS_COPY:
		return run_copy();
	case OP_ALLOW_IOVAS:
		return run_allow();
	case OP_IOVA_RANGES:
		return run_ranges();
	case OP_ADD_RESERVED:
		return run_reserve();
	case OP_VFIO_MAP_DMA:
		return run_vfio_map();
	case OP_VFIO_UNMAP_DMA:
		return run_vfio_unmap();
	case OP_CREATE_ACCESS:
		return run_access_create();
	case OP_ACCESS_REPLACE_IOAS:
		return run_access_replace();
	case OP_ACCESS_RW:
		return run_access_rw();
	case OP_ACCESS_PAGES:
		return run_access_pages();
	case OP_DESTROY_ACCESS_PAGES:
		return run_access_unpin();
	case OP_DMA_READ:
	case OP_DMA_WRITE:
		return run_dma(run.op->kind == OP_DMA_WRITE);
	case OP_SET_DIRTY_TRACKING:
		return run_set_dirty();
	case OP_MD_DIRTY:
		return run_mock_dirty();
	case OP_GET_DIRTY_BITMAP:
		return run_get_dirty();
	default:
		return run_mock();
	}
}

void run_op(const struct op *op, size_t nr)
{
	run.op = op;
	run.nr = nr;
	run.fired = false;
	memset(run.results[nr], 0, sizeof(run.results[nr]));
	switch (op->kind) {
	case OP_DESTROY:
		return run_destroy();
	case OP_OPTION:
		return run_option();
	case OP_VFIO_IOAS:
		return run_vfio_ioas();
	case OP_HWPT_ALLOC:
		return run_hwpt_alloc();
	case OP_GET_HW_INFO:
		return run_hw_info();
	case OP_HWPT_INVALIDATE:
		return run_invalidate();
	case OP_FAULT_QUEUE_ALLOC:
		return run_fault_alloc();
	case OP_VIOMMU_ALLOC:
		return run_viommu_alloc();
	case OP_VDEVICE_ALLOC:
		return run_vdevice_alloc();
	case OP_VEVENTQ_ALLOC:
		return run_veventq_alloc();
	case OP_HW_QUEUE_ALLOC:
		return run_hw_queue_alloc();
	case OP_CHANGE_PROCESS:
		return run_change_process();
	case OP_MOCK_DOMAIN:
	case OP_MOCK_DOMAIN_FLAGS:
		return run_mock_domain(op->kind == OP_MOCK_DOMAIN_FLAGS);
	case OP_MD_CHECK_REFS:
		return run_check_refs();
	case OP_VFIO_GET_API_VERSION:
		uiommu_file_ioctl(world.iommufd, world.mm, VFIO_GET_API_VERSION, 0);
		return;
	case OP_VFIO_CHECK_EXTENSION:
		do_ioctl(VFIO_CHECK_EXTENSION, arg(0));
		return;
	case OP_VFIO_SET_IOMMU:
		do_ioctl(VFIO_SET_IOMMU, arg(0));
		return;
	case OP_VFIO_IOMMU_GET_INFO:
		return run_vfio_info();
	case OP_RAW_IOCTL:
		return run_raw();
	case OP_READ:
	case OP_WRITE:
	case OP_POLL:
	case OP_CLOSE:
		return run_file();
	case OP_MMAP:
		return run_mmap();
	case OP_MAP_ACCESS:
		return run_map_access();
	case OP_MUNMAP:
		return run_munmap();
	default:
		return run_modelled();
	}
}
