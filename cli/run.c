// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * uiommu run: devices, their tree in a folder, the program in front of it.
 *
 * An instance of the library is made here only to check what was asked for and
 * to write the tree.  The devices that the program talks to are made by the
 * shim inside of it, from the manifest in the folder.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uiommu/device.h>
#include <uiommu/file.h>

#include "cli.h"

/* A long option without a letter. */
#define OPTION_LOG 256
#define OPTION_IOMMUFD_TEST 257

/*
 *  ctx		the devices, until their tree is written
 *  log		absolute path, malloc'ed, or NULL
 */
struct run {
	struct uiommu *ctx;
	char *log;
};

void cli_run_help(void)
{
	fputs("Usage: uiommu run [OPTIONS] [--] PROGRAM [ARGS...]\n"
	      "\n"
	      "Runs PROGRAM with /dev/iommu, /dev/vfio and the parts of /sys that belong to\n"
	      "the devices asked for.  Without a device there is just /dev/iommu.\n"
	      "\n"
	      "Options:\n"
	      "  -d, --device MODEL[,OPTION=VALUE...][@BDF]\n"
	      "                  plug in a device; may be given more than once.  'uiommu models'\n"
	      "                  lists them.  BDF is its place, like 0000:01:00.0\n"
	      "      --log FILE  write events (DMA that failed, and why) to FILE\n"
	      "      --iommufd-test\n"
	      "                  have the mock driver on /dev/iommu that Linux's own tests\n"
	      "                  of iommufd use (CONFIG_IOMMUFD_TEST)\n"
	      "  -h, --help      this text\n"
	      "\n"
	      "Exits with the status of PROGRAM, or ends by the signal that killed it; with\n"
	      "125 if uiommu itself fails, 126 if PROGRAM can't be executed, 127 if there is\n"
	      "no such program.\n",
	      stdout);
}

static int add_device(struct run *run, const char *spec)
{
	char why[256] = "";
	int rc;

	rc = uiommu_pci_device_add(run->ctx, spec, NULL, why, sizeof(why));
	if (rc)
		return cli_error("%s", *why ? why : strerror(-rc));
	return 0;
}

static int enable_iommufd_test(struct run *run)
{
	int rc = uiommu_enable_iommufd_test(run->ctx);

	return rc ? cli_error("can't have the mock driver: %s", strerror(-rc)) : 0;
}

/* Opened once to see that it can be, emptied, and named by an absolute path. */
static int set_log(struct run *run, const char *name)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);

	if (fd < 0)
		return cli_error("can't write the log '%s': %s", name, strerror(errno));
	close(fd);
	free(run->log);
	run->log = realpath(name, NULL);
	if (!run->log)
		return cli_error("can't find the log '%s': %s", name, strerror(errno));
	return 0;
}

/* 0: go on at argv[optind]; -1: done; else the status to exit with. */
static int parse(struct run *run, int argc, char **argv)
{
	static const struct option options[] = {
		{"device", required_argument, NULL, 'd'},
		{"log", required_argument, NULL, OPTION_LOG},
		{"iommufd-test", no_argument, NULL, OPTION_IOMMUFD_TEST},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int c, status = 0;

	/* 0 starts getopt anew; "+": what follows PROGRAM is the program's. */
	optind = 0;
	opterr = 0;
	while (!status && (c = getopt_long(argc, argv, "+:d:h", options, NULL)) != -1) {
		switch (c) {
		case 'd':
			status = add_device(run, optarg);
			break;
		case OPTION_LOG:
			status = set_log(run, optarg);
			break;
		case OPTION_IOMMUFD_TEST:
			status = enable_iommufd_test(run);
			break;
		case 'h':
			cli_run_help();
			return -1;
		case ':':
			status = cli_error("option '%s' needs a value; see 'uiommu run --help'",
					   cli_bad_option(argv));
			break;
		default:
			status = cli_error("unknown option '%s'; see 'uiommu run --help'",
					   cli_bad_option(argv));
		}
	}
	if (!status && optind == argc)
		status = cli_error("which program? 'uiommu run [OPTIONS] -- PROGRAM [ARGS...]'");
	return status;
}

static int run_in_folder(struct run *run, const char *path, const char *preload, char **argv)
{
	struct cli_folder folder;
	struct cli_child child;
	char why[256] = "";
	int rc, status;

	cli_folder_clear_stale();
	status = cli_folder_make(&folder);
	if (status)
		return status;

	rc = uiommu_tree_write(run->ctx, folder.fd, why, sizeof(why));
	if (rc) {
		status = cli_error("%s", *why ? why : strerror(-rc));
		goto out_remove;
	}
	/* The program has its own instance: nothing of ours stays in between. */
	uiommu_destroy(run->ctx);
	run->ctx = NULL;

	status = cli_environment(preload, folder.path, run->log);
	if (!status)
		status = cli_child_run(&child, path, argv);
out_remove:
	cli_folder_remove(&folder);
	return status ? status : cli_child_end(&child);
}

int cli_run(int argc, char **argv)
{
	struct run run = {0};
	char *path = NULL, *preload = NULL;
	int rc, status;

	if (getenv("UIOMMU_RUN"))
		return cli_error("this is inside of 'uiommu run' already (UIOMMU_RUN is set)");
	rc = uiommu_create(NULL, &run.ctx);
	if (rc)
		return cli_error("can't make an instance: %s", strerror(-rc));

	status = parse(&run, argc, argv);
	if (!status) {
		path = cli_program_find(argv[optind], &status);
		if (path && !(preload = cli_preload_find()))
			status = CLI_FAILED;
	}
	if (!status)
		status = run_in_folder(&run, path, preload, argv + optind);

	uiommu_destroy(run.ctx);
	free(run.log);
	free(preload);
	free(path);
	return status < 0 ? 0 : status;
}
