// SPDX-License-Identifier: LGPL-2.1-or-later
// The device copies one page to another: iostreams, filesystem, exceptions, volatile.
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <system_error>

namespace fs = std::filesystem;

static constexpr std::uint64_t iova = 0x10000000;

struct Registers {
	std::uint32_t low, high, command;
};

struct Region {
	std::uint32_t argsz = sizeof(Region), flags = 0, index, cap = 0;
	std::uint64_t size = 0, offset = 0;
};

static int opened(const std::string &path)
{
	int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);

	if (fd < 0)
		throw std::system_error(errno, std::generic_category(), path);
	return fd;
}

template <typename T> static T &call(int fd, unsigned long number, T &&data)
{
	if (ioctl(fd, number, &data))
		throw std::system_error(errno, std::generic_category(), std::to_string(number));
	return data;
}

static fs::path cdev()
{
	for (const auto &entry : fs::directory_iterator("/sys/bus/pci/devices")) {
		std::string vendor;

		std::ifstream(entry.path() / "vendor") >> vendor;
		if (vendor != "0x1234")
			continue;
		for (const auto &node : fs::directory_iterator(entry.path() / "vfio-dev"))
			return fs::path("/dev/vfio/devices") / node.path().filename();
	}
	throw std::runtime_error("no device");
}

static std::uint64_t region(int device, std::uint32_t index)
{
	Region r;

	r.index = index;
	return call(device, 0x3b6c, r).offset;
}

int main()
try {
	int device = opened(cdev()), iommu = opened("/dev/iommu");
	struct Bind {
		std::uint32_t argsz, flags;
		std::int32_t iommufd;
		std::uint32_t id;
	} bind{16, 0, iommu, 0};
	struct Three {
		std::uint32_t size, flags, id;
	} ioas{12, 0, 0};
	struct Map {
		std::uint32_t size, flags, ioas, reserved;
		std::uint64_t va, length, iova;
	};

	call(device, 0x3b76, bind);
	call(iommu, 0x3b81, ioas);
	call(device, 0x3b77, Three{12, 0, ioas.id});
	auto *memory = static_cast<std::uint8_t *>(
		mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	call(iommu, 0x3b85,
	     Map{40, 7, ioas.id, 0, reinterpret_cast<std::uintptr_t>(memory), 8192, iova});
	std::generate(memory, memory + 4096, [n = 0]() mutable { return n++ * 7; });

	std::uint16_t command = 6;
	if (pwrite(device, &command, 2, static_cast<off_t>(region(device, 7)) + 4) != 2)
		throw std::runtime_error("config space");
	void *bar = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, device,
			 static_cast<off_t>(region(device, 0)));
	if (bar == MAP_FAILED)
		throw std::runtime_error("mmap");
	auto *regs = static_cast<volatile Registers *>(bar);
	for (std::uint32_t page = 0; page < 2; page++) {
		regs->low = iova + 4096 * page;
		regs->high = 0;
		regs->command = page ? 1 : 3;
		while (regs->command & 1)
			;
	}
	if (!std::equal(memory, memory + 4096, memory + 4096))
		throw std::runtime_error("not what was copied");
	std::cout << "copied" << std::endl;
	return 0;
} catch (const std::exception &e) {
	std::cerr << e.what() << std::endl;
	return 1;
}
