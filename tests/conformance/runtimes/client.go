// SPDX-License-Identifier: LGPL-2.1-or-later
// The device copies one page to another: files by C functions, for Go's own package os makes
// system calls itself; memory and registers by Go, from several threads.
package main

/*
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static int open_path(const char *path) { return open(path, O_RDWR | O_CLOEXEC); }
static int call(int fd, unsigned long number, void *data) { return ioctl(fd, number, data); }

static int open_cdev(const char *bdf)
{
	char path[300];
	struct dirent *entry;
	DIR *dir;
	int fd = -1;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev", bdf);
	dir = opendir(path);
	while (dir && fd < 0 && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/dev/vfio/devices/%s", entry->d_name);
		fd = open_path(path);
	}
	if (dir)
		closedir(dir);
	return fd;
}
*/
import "C"

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"
)

const iova = 0x10000000

type region struct {
	argsz, flags, index, caps uint32
	size, offset              uint64
}

type mapping struct {
	size, flags, ioas, reserved uint32
	va, length, iova            uint64
}

func call(fd C.int, number C.ulong, data unsafe.Pointer) {
	if rc, err := C.call(fd, number, data); rc != 0 {
		panic(err)
	}
}

func offset(device C.int, index uint32) uint64 {
	r := region{argsz: 32, index: index}
	call(device, 0x3b6c, unsafe.Pointer(&r))
	return r.offset
}

func mapped(length int, flags, fd C.int, at uint64) unsafe.Pointer {
	p, err := C.mmap(nil, C.size_t(length), 3, flags, fd, C.off_t(at))
	if uintptr(p) == ^uintptr(0) {
		panic(err)
	}
	return p
}

func main() {
	device := C.open_cdev(C.CString(os.Args[1]))
	iommu := C.open_path(C.CString("/dev/iommu"))
	if device < 0 || iommu < 0 {
		panic("no device")
	}
	call(device, 0x3b76, unsafe.Pointer(&[4]uint32{16, 0, uint32(iommu), 0}))
	ioas := [3]uint32{12, 0, 0}
	call(iommu, 0x3b81, unsafe.Pointer(&ioas))
	call(device, 0x3b77, unsafe.Pointer(&[3]uint32{12, 0, ioas[2]}))
	memory := mapped(8192, 0x22, -1, 0)
	call(iommu, 0x3b85, unsafe.Pointer(&mapping{40, 7, ioas[2], 0,
		uint64(uintptr(memory)), 8192, iova}))
	pages := unsafe.Slice((*byte)(memory), 8192)
	for i := range pages[:4096] {
		pages[i] = byte(i * 7)
	}

	command := [2]byte{6, 0}
	C.pwrite(device, unsafe.Pointer(&command), 2, C.off_t(offset(device, 7)+4))
	bar := unsafe.Slice((*uint32)(mapped(4096, 1, device, offset(device, 0))), 1024)
	for page := uint32(0); page < 2; page++ {
		atomic.StoreUint32(&bar[0], iova+4096*page)
		atomic.StoreUint32(&bar[1], 0)
		atomic.StoreUint32(&bar[2], 3-2*page)
		for atomic.LoadUint32(&bar[2])&1 != 0 {
		}
	}
	if !bytes.Equal(pages[:4096], pages[4096:]) {
		panic("not what was copied")
	}

	// Go interrupts its threads by signals, and moves goroutines between them.
	var wait sync.WaitGroup
	for i := 0; i < 8; i++ {
		wait.Add(1)
		go func() {
			for n := 0; n < 500; n++ {
				if atomic.LoadUint32(&bar[1]) != 0 {
					panic("another value")
				}
				if n%50 == 0 {
					runtime.GC()
				}
			}
			wait.Done()
		}()
	}
	wait.Wait()
	// A nil pointer is still Go's own.
	defer func() {
		if recover() == nil {
			panic("nil was no fault")
		}
		fmt.Println("copied")
	}()
	var nothing *int
	*nothing = 1
}
