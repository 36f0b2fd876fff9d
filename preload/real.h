/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/real.h - the functions behind the names that the shim takes over
 *
 * real_open and its kin are pointers to the next definition after ours: libc's, or
 * a sanitizer's.  They resolve themselves at the first call; while that is under
 * way (dlsym may allocate, and an allocator may map) those with a system call of
 * their own use it.  They behave as the libc functions do, errno included.
 *
 * shim_inside counts how deep this thread is inside the shim or the engine.  While
 * it isn't 0 every name that we export passes straight through to the real one, so
 * the library's own calls of open, mmap, ... never come back to it.
 */
#ifndef SHIM_REAL_H
#define SHIM_REAL_H

#include <dirent.h>
#include <fcntl.h>
#include <fts.h>
#include <ftw.h>
#include <glob.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>

#define SHIM_TLS __thread __attribute__((tls_model("initial-exec")))
#define SHIM_EXPORT __attribute__((visibility("default")))
#define shim_likely(x) __builtin_expect(!!(x), 1)
#define shim_unlikely(x) __builtin_expect(!!(x), 0)

extern SHIM_TLS int shim_inside;
/* This thread runs as a vfork() child, in its parent's memory: nothing may be changed. */
extern SHIM_TLS int shim_vforked;

/* Must this call pass straight through? */
static inline bool shim_bypass(void)
{
	return shim_unlikely(shim_inside | shim_vforked);
}

/* A system call without libc: errno is left alone, the result is -errno. */
static inline long shim_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long rc;

	__asm__ volatile("syscall"
			 : "=a"(rc)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return rc;
}

/*
 * With a system call of the same meaning: (ret, name, parameters, arguments).
 * On x86-64 every name with a 64 at its end is the same function as the one without.
 */
#define SHIM_REAL_SYS(X)                                                                           \
	X(ssize_t, read, (int fd, void *buf, size_t n), (fd, buf, n))                              \
	X(ssize_t, write, (int fd, const void *buf, size_t n), (fd, buf, n))                       \
	X(ssize_t, pread, (int fd, void *buf, size_t n, off_t off), (fd, buf, n, off))             \
	X(ssize_t, pwrite, (int fd, const void *buf, size_t n, off_t off), (fd, buf, n, off))      \
	X(ssize_t, readv, (int fd, const struct iovec *iov, int n), (fd, iov, n))                  \
	X(ssize_t, writev, (int fd, const struct iovec *iov, int n), (fd, iov, n))                 \
	X(ssize_t, preadv, (int fd, const struct iovec *iov, int n, off_t off), (fd, iov, n, off)) \
	X(ssize_t, pwritev, (int fd, const struct iovec *iov, int n, off_t off),                   \
	  (fd, iov, n, off))                                                                       \
	X(off_t, lseek, (int fd, off_t off, int whence), (fd, off, whence))                        \
	X(int, close, (int fd), (fd))                                                              \
	X(int, close_range, (unsigned int first, unsigned int last, int flags),                    \
	  (first, last, flags))                                                                    \
	X(int, dup, (int fd), (fd))                                                                \
	X(int, dup2, (int fd, int to), (fd, to))                                                   \
	X(int, dup3, (int fd, int to, int flags), (fd, to, flags))                                 \
	X(void *, mmap, (void *addr, size_t len, int prot, int flags, int fd, off_t off),          \
	  (addr, len, prot, flags, fd, off))                                                       \
	X(int, munmap, (void *addr, size_t len), (addr, len))                                      \
	X(int, mprotect, (void *addr, size_t len, int prot), (addr, len, prot))                    \
	X(int, madvise, (void *addr, size_t len, int advice), (addr, len, advice))                 \
	X(void *, shmat, (int id, const void *addr, int flags), (id, addr, flags))                 \
	X(int, shmdt, (const void *addr), (addr))                                                  \
	X(int, ftruncate, (int fd, off_t len), (fd, len))                                          \
	X(int, truncate, (const char *path, off_t len), (path, len))                               \
	X(int, fallocate, (int fd, int mode, off_t off, off_t len), (fd, mode, off, len))          \
	X(int, stat, (const char *path, struct stat *st), (path, st))                              \
	X(int, lstat, (const char *path, struct stat *st), (path, st))                             \
	X(int, fstat, (int fd, struct stat *st), (fd, st))                                         \
	X(int, fstatat, (int dir, const char *path, struct stat *st, int flags),                   \
	  (dir, path, st, flags))                                                                  \
	X(int, statx,                                                                              \
	  (int dir, const char *path, int flags, unsigned int mask, struct statx *stx),            \
	  (dir, path, flags, mask, stx))                                                           \
	X(int, statfs, (const char *path, struct statfs *st), (path, st))                          \
	X(int, fstatfs, (int fd, struct statfs *st), (fd, st))                                     \
	X(int, access, (const char *path, int mode), (path, mode))                                 \
	X(ssize_t, readlink, (const char *path, char *buf, size_t n), (path, buf, n))              \
	X(ssize_t, readlinkat, (int dir, const char *path, char *buf, size_t n),                   \
	  (dir, path, buf, n))

/* The same, variadic: written out in real.c. */
#define SHIM_REAL_VAR(X)                                                                           \
	X(int, open, (const char *path, int flags, ...))                                           \
	X(int, openat, (int dir, const char *path, int flags, ...))                                \
	X(int, ioctl, (int fd, unsigned long request, ...))                                        \
	X(int, fcntl, (int fd, int cmd, ...))                                                      \
	X(void *, mremap, (void *addr, size_t len, size_t to, int flags, ...))                     \
	X(long, syscall, (long nr, ...))

/* libc's own work. */
#define SHIM_REAL_LIB(X)                                                                           \
	X(int, __open_2, (const char *path, int flags), (path, flags))                             \
	X(int, __openat_2, (int dir, const char *path, int flags), (dir, path, flags))             \
	X(int, __xstat, (int version, const char *path, struct stat *st), (version, path, st))     \
	X(int, __lxstat, (int version, const char *path, struct stat *st), (version, path, st))    \
	X(int, __fxstat, (int version, int fd, struct stat *st), (version, fd, st))                \
	X(int, __fxstatat, (int version, int dir, const char *path, struct stat *st, int flags),   \
	  (version, dir, path, st, flags))                                                         \
	X(int, faccessat, (int dir, const char *path, int mode, int flags),                        \
	  (dir, path, mode, flags))                                                                \
	X(int, chmod, (const char *path, mode_t mode), (path, mode))                               \
	X(int, chown, (const char *path, uid_t uid, gid_t gid), (path, uid, gid))                  \
	X(int, lchown, (const char *path, uid_t uid, gid_t gid), (path, uid, gid))                 \
	X(long, pathconf, (const char *path, int name), (path, name))                              \
	X(ssize_t, getxattr, (const char *path, const char *name, void *buf, size_t n),            \
	  (path, name, buf, n))                                                                    \
	X(ssize_t, lgetxattr, (const char *path, const char *name, void *buf, size_t n),           \
	  (path, name, buf, n))                                                                    \
	X(ssize_t, listxattr, (const char *path, char *buf, size_t n), (path, buf, n))             \
	X(ssize_t, llistxattr, (const char *path, char *buf, size_t n), (path, buf, n))            \
	X(int, euidaccess, (const char *path, int mode), (path, mode))                             \
	X(DIR *, opendir, (const char *path), (path))                                              \
	X(int, closedir, (DIR * dir), (dir))                                                       \
	X(struct dirent *, readdir, (DIR * dir), (dir))                                            \
	X(int, readdir_r, (DIR * dir, struct dirent * entry, struct dirent * *result),             \
	  (dir, entry, result))                                                                    \
	X(ssize_t, getdents64, (int fd, void *buf, size_t n), (fd, buf, n))                        \
	X(int, chdir, (const char *path), (path))                                                  \
	X(int, fchdir, (int fd), (fd))                                                             \
	X(char *, getcwd, (char *buf, size_t n), (buf, n))                                         \
	X(char *, __getcwd_chk, (char *buf, size_t n, size_t size), (buf, n, size))                \
	X(char *, get_current_dir_name, (void), ())                                                \
	X(int, posix_spawn_file_actions_addchdir_np,                                               \
	  (posix_spawn_file_actions_t * actions, const char *path), (actions, path))               \
	X(int, posix_spawn_file_actions_addopen,                                                   \
	  (posix_spawn_file_actions_t * actions, int fd, const char *path, int flags,              \
	   mode_t mode),                                                                           \
	  (actions, fd, path, flags, mode))                                                        \
	X(int, glob,                                                                               \
	  (const char *pattern, int flags, int (*err)(const char *path, int err), glob_t *out),    \
	  (pattern, flags, err, out))                                                              \
	X(int, ftw, (const char *path, int (*fn)(const char *, const struct stat *, int), int n),  \
	  (path, fn, n))                                                                           \
	X(int, nftw,                                                                               \
	  (const char *path, int (*fn)(const char *, const struct stat *, int, struct FTW *),      \
	   int n, int flags),                                                                      \
	  (path, fn, n, flags))                                                                    \
	X(FTS *, fts_open,                                                                         \
	  (char *const *roots, int options, int (*cmp)(const FTSENT **, const FTSENT **)),         \
	  (roots, options, cmp))                                                                   \
	X(FTSENT *, fts_read, (FTS * fts), (fts))                                                  \
	X(FTSENT *, fts_children, (FTS * fts, int instr), (fts, instr))                            \
	X(int, fts_set, (FTS * fts, FTSENT * entry, int instr), (fts, entry, instr))               \
	X(int, fts_close, (FTS * fts), (fts))                                                      \
	X(int, setxattr,                                                                           \
	  (const char *path, const char *name, const void *buf, size_t n, int flags),              \
	  (path, name, buf, n, flags))                                                             \
	X(int, lsetxattr,                                                                          \
	  (const char *path, const char *name, const void *buf, size_t n, int flags),              \
	  (path, name, buf, n, flags))                                                             \
	X(int, removexattr, (const char *path, const char *name), (path, name))                    \
	X(int, lremovexattr, (const char *path, const char *name), (path, name))                   \
	X(int, inotify_add_watch, (int fd, const char *path, uint32_t mask), (fd, path, mask))     \
	X(int, name_to_handle_at,                                                                  \
	  (int dir, const char *path, struct file_handle *handle, int *mount, int flags),          \
	  (dir, path, handle, mount, flags))                                                       \
	X(int, scandirat,                                                                          \
	  (int at, const char *path, struct dirent ***list, int (*sel)(const struct dirent *),     \
	   int (*cmp)(const struct dirent **, const struct dirent **)),                            \
	  (at, path, list, sel, cmp))                                                              \
	X(int, scandir,                                                                            \
	  (const char *path, struct dirent ***list, int (*sel)(const struct dirent *),             \
	   int (*cmp)(const struct dirent **, const struct dirent **)),                            \
	  (path, list, sel, cmp))                                                                  \
	X(FILE *, fopen, (const char *path, const char *mode), (path, mode))                       \
	X(FILE *, freopen, (const char *path, const char *mode, FILE *f), (path, mode, f))         \
	X(int, fclose, (FILE * f), (f))                                                            \
	X(int, fflush, (FILE * f), (f))                                                            \
	X(int, fflush_unlocked, (FILE * f), (f))                                                   \
	X(int, setvbuf, (FILE * f, char *buf, int mode, size_t n), (f, buf, mode, n))              \
	X(ssize_t, copy_file_range,                                                                \
	  (int in, off64_t *from, int out, off64_t *to, size_t n, unsigned int flags),             \
	  (in, from, out, to, n, flags))                                                           \
	X(ssize_t, sendfile, (int out, int in, off_t *from, size_t n), (out, in, from, n))         \
	X(ssize_t, splice,                                                                         \
	  (int in, off64_t *from, int out, off64_t *to, size_t n, unsigned int flags),             \
	  (in, from, out, to, n, flags))                                                           \
	X(char *, realpath, (const char *path, char *buf), (path, buf))                            \
	X(pid_t, fork, (void), ())                                                                 \
	X(int, clone,                                                                              \
	  (int (*fn)(void *), void *stack, int flags, void *arg, void *parent, void *tls,          \
	   void *child),                                                                           \
	  (fn, stack, flags, arg, parent, tls, child))                                             \
	X(int, getsockopt, (int fd, int level, int option, void *value, socklen_t *len),           \
	  (fd, level, option, value, len))                                                         \
	X(int, setsockopt, (int fd, int level, int option, const void *value, socklen_t len),      \
	  (fd, level, option, value, len))                                                         \
	X(int, getsockname, (int fd, struct sockaddr *addr, socklen_t *len), (fd, addr, len))      \
	X(int, getpeername, (int fd, struct sockaddr *addr, socklen_t *len), (fd, addr, len))      \
	X(int, shutdown, (int fd, int how), (fd, how))                                             \
	X(ssize_t, send, (int fd, const void *buf, size_t n, int flags), (fd, buf, n, flags))      \
	X(ssize_t, sendto,                                                                         \
	  (int fd, const void *buf, size_t n, int flags, const struct sockaddr *to,                \
	   socklen_t len),                                                                         \
	  (fd, buf, n, flags, to, len))                                                            \
	X(ssize_t, recv, (int fd, void *buf, size_t n, int flags), (fd, buf, n, flags))            \
	X(ssize_t, recvfrom,                                                                       \
	  (int fd, void *buf, size_t n, int flags, struct sockaddr *from, socklen_t *len),         \
	  (fd, buf, n, flags, from, len))                                                          \
	X(ssize_t, __recv_chk, (int fd, void *buf, size_t n, size_t size, int flags),              \
	  (fd, buf, n, size, flags))                                                               \
	X(ssize_t, __recvfrom_chk,                                                                 \
	  (int fd, void *buf, size_t n, size_t size, int flags, struct sockaddr *from,             \
	   socklen_t *len),                                                                        \
	  (fd, buf, n, size, flags, from, len))                                                    \
	X(ssize_t, preadv2, (int fd, const struct iovec *iov, int n, off_t off, int flags),        \
	  (fd, iov, n, off, flags))                                                                \
	X(ssize_t, pwritev2, (int fd, const struct iovec *iov, int n, off_t off, int flags),       \
	  (fd, iov, n, off, flags))                                                                \
	X(int, pkey_mprotect, (void *addr, size_t len, int prot, int pkey),                        \
	  (addr, len, prot, pkey))                                                                 \
	X(char *, __getwd_chk, (char *buf, size_t size), (buf, size))                              \
	X(ssize_t, sendmsg, (int fd, const struct msghdr *msg, int flags), (fd, msg, flags))       \
	X(int, sendmmsg, (int fd, struct mmsghdr *msgs, unsigned int n, int flags),                \
	  (fd, msgs, n, flags))                                                                    \
	X(ssize_t, recvmsg, (int fd, struct msghdr *msg, int flags), (fd, msg, flags))             \
	X(int, recvmmsg,                                                                           \
	  (int fd, struct mmsghdr *msgs, unsigned int n, int flags, struct timespec *timeout),     \
	  (fd, msgs, n, flags, timeout))                                                           \
	X(int, posix_spawn,                                                                        \
	  (pid_t * pid, const char *path, const posix_spawn_file_actions_t *actions,               \
	   const posix_spawnattr_t *attr, char *const argv[], char *const envp[]),                 \
	  (pid, path, actions, attr, argv, envp))                                                  \
	X(int, posix_spawnp,                                                                       \
	  (pid_t * pid, const char *path, const posix_spawn_file_actions_t *actions,               \
	   const posix_spawnattr_t *attr, char *const argv[], char *const envp[]),                 \
	  (pid, path, actions, attr, argv, envp))                                                  \
	X(int, setuid, (uid_t uid), (uid))                                                         \
	X(int, seteuid, (uid_t uid), (uid))                                                        \
	X(int, setreuid, (uid_t real, uid_t effective), (real, effective))                         \
	X(int, setresuid, (uid_t real, uid_t effective, uid_t saved), (real, effective, saved))    \
	X(int, capset, (void *header, const void *data), (header, data))                           \
	X(int, unshare, (int flags), (flags))                                                      \
	X(int, setns, (int fd, int type), (fd, type))                                              \
	X(int, setrlimit, (int resource, const struct rlimit *limit), (resource, limit))           \
	X(int, prlimit, (pid_t pid, int resource, const struct rlimit *limit, struct rlimit *old), \
	  (pid, resource, limit, old))                                                             \
	X(int, execve, (const char *path, char *const argv[], char *const envp[]),                 \
	  (path, argv, envp))                                                                      \
	X(int, execvpe, (const char *file, char *const argv[], char *const envp[]),                \
	  (file, argv, envp))                                                                      \
	X(int, fexecve, (int fd, char *const argv[], char *const envp[]), (fd, argv, envp))        \
	X(int, execveat,                                                                           \
	  (int dir, const char *path, char *const argv[], char *const envp[], int flags),          \
	  (dir, path, argv, envp, flags))                                                          \
	X(int, system, (const char *command), (command))                                           \
	X(FILE *, popen, (const char *command, const char *mode), (command, mode))                 \
	X(ssize_t, __read_chk, (int fd, void *buf, size_t n, size_t size), (fd, buf, n, size))     \
	X(ssize_t, __pread_chk, (int fd, void *buf, size_t n, off_t off, size_t size),             \
	  (fd, buf, n, off, size))                                                                 \
	X(ssize_t, __readlink_chk, (const char *path, char *buf, size_t n, size_t size),           \
	  (path, buf, n, size))                                                                    \
	X(ssize_t, __readlinkat_chk,                                                               \
	  (int dir, const char *path, char *buf, size_t n, size_t size),                           \
	  (dir, path, buf, n, size))                                                               \
	X(char *, __realpath_chk, (const char *path, char *buf, size_t size), (path, buf, size))

#define SHIM_REAL_DECLARE(ret, name, params, ...) extern ret(*real_##name) params;
SHIM_REAL_SYS(SHIM_REAL_DECLARE)
SHIM_REAL_VAR(SHIM_REAL_DECLARE)
SHIM_REAL_LIB(SHIM_REAL_DECLARE)

/* From the constructor: before any of them is called from assembly. */
void real_start(void);
/* The next definition of a name after ours; NULL: there is none. */
void *real_symbol(const char *name);

#endif /* SHIM_REAL_H */
